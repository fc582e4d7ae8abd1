#include "cache_me/key_template.hpp"

#include <array>
#include <cstring>

namespace cache_me {
namespace {

std::array<char, 8> length_of(std::size_t size) noexcept {
  const std::uint64_t number = size;
  std::array<char, 8> bytes;
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

std::string_view view_of(const std::array<char, 8>& bytes) noexcept {
  return {bytes.data(), bytes.size()};
}

}  // namespace

// The lengths of what differs come last. They are of a fixed size, so no two queries are digested as the same
// bytes.
KeyTemplate::KeyTemplate(const Parts& parts) : name_(parts.name), sql_(parts.sql), place_(parts.place) {
  if (sql_.empty()) sql_.emplace_back();
  for (const std::string* part : {&parts.result, &parts.whose}) {
    head_.update(view_of(length_of(part->size())));
    head_.update(*part);
  }
  head_.update(sql_.front());
  for (const std::string& piece : sql_) size_ += piece.size();
}

void KeyTemplate::assemble(std::span<const std::string_view> texts, std::string_view parameters,
                           std::string& key) const {
  Md5 state = head_;
  std::size_t size = size_;
  for (std::size_t gap = 0; gap < gaps(); ++gap) {
    size += texts[gap].size();
    state.update(texts[gap]);
    state.update(sql_[gap + 1]);
  }
  state.update(parameters);
  state.update(view_of(length_of(size)));
  state.update(view_of(length_of(parameters.size())));
  key.assign(name_);
  state.append_hex(key);
  key += place_;
}

}  // namespace cache_me
