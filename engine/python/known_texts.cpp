#include "known_texts.hpp"

#include <cstring>

namespace cache_me::python {

// Texts of queries differ in their length, and at their ends.
std::size_t KnownTexts::place_of(PyObject* text) noexcept {
  const auto size = static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)) * PyUnicode_KIND(text);
  const char* const bytes = static_cast<const char*>(PyUnicode_DATA(text));
  std::uint64_t end = 0;
  std::uint64_t middle = 0;
  if (size >= 16) {
    std::memcpy(&end, bytes + size - 8, 8);
    std::memcpy(&middle, bytes + size / 2, 8);
  }
  return ((end * 31 + middle) * 31 + size) * 0x9E3779B97F4A7C15u >> 56;
}

bool KnownTexts::are_equal(PyObject* one, PyObject* other) noexcept {
  return PyUnicode_GET_LENGTH(one) == PyUnicode_GET_LENGTH(other) &&
         PyUnicode_KIND(one) == PyUnicode_KIND(other) &&
         std::memcmp(PyUnicode_DATA(one), PyUnicode_DATA(other),
                     static_cast<std::size_t>(PyUnicode_GET_LENGTH(one)) * PyUnicode_KIND(one)) == 0;
}

}  // namespace cache_me::python
