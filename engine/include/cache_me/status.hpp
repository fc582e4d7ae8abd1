// How the engine says that something went wrong: values, never exceptions.
//
// A Status is a code and a sentence for the person who has to mend it (what was wrong, where, what to do).
// A Result<T> is a T or a Status. Both are plain values: safe to copy between threads, no global state.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace cache_me {

enum class StatusCode {
  ok,
  invalid_argument,  // the caller's mistake
  not_found,         // a path or a record that is not there
  denied,            // permissions, a foreign owner, a link where a file should be
  no_space,          // the space could not be reserved
  incompatible,      // a file of another layout or boot, which could not be replaced
  exhausted,         // all records are taken
  corrupt,           // bytes that do not mean what they should
  io_error,          // the operating system said no; the message holds errno's text
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const noexcept { return code_ == StatusCode::ok; }
  StatusCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }

 private:
  StatusCode code_ = StatusCode::ok;
  std::string message_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: a value is a result
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: so is an error

  bool ok() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  const Status& status() const noexcept { return status_; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  T& operator*() & { return *value_; }
  T* operator->() { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace cache_me
