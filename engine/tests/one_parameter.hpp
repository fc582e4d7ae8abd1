// A statement's parameters that are all the same integer.
#pragma once

#include <cstdint>

#include "cache_me/dependency_rules.hpp"

namespace cache_me::testing {

class OneParameter : public Parameters {
 public:
  explicit OneParameter(std::int64_t value) : value_(value) {}
  KnownValue parameter(std::uint32_t, ValueType type) const override {
    return type == ValueType::integer ? KnownValue{type, value_, {}} : KnownValue{};
  }
  bool is_null(std::uint32_t) const override { return false; }

 private:
  std::int64_t value_;
};

}  // namespace cache_me::testing
