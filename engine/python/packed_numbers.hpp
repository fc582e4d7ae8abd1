// Dependencies and versions cross the border to Python as bytes: packed unsigned 64-bit numbers.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace cache_me::python {

inline std::vector<std::uint64_t> unpack(const nanobind::bytes& packed) {
  if (packed.size() % sizeof(std::uint64_t) != 0) {
    throw nanobind::value_error("packed numbers must be a multiple of 8 bytes long");
  }
  std::vector<std::uint64_t> numbers(packed.size() / sizeof(std::uint64_t));
  if (!numbers.empty()) std::memcpy(numbers.data(), packed.c_str(), packed.size());
  return numbers;
}

inline nanobind::bytes pack(std::span<const std::uint64_t> numbers) {
  return nanobind::bytes(numbers.data(), numbers.size_bytes());
}

}  // namespace cache_me::python
