// Decimals that were made before: prices come again in other entries, and a Decimal takes five times as long
// to make as other values, for it has no C interface.
//
// A fixed number of places, one for each hash; half a megabyte when all are taken. All functions need the
// GIL; on a free-threaded build nothing is kept.
#pragma once

#include <Python.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "py_ref.hpp"

namespace cache_me::python {

class DecimalTable {
 public:
  // A Decimal of that text, new or of before. Null: a Python error is set.
  PyRef get(std::string_view text);

 private:
  // Longer ones aren't kept.
  static constexpr std::size_t kLongest = 23;
  static constexpr std::size_t kPlaces = 4096;

  struct Place {
    PyRef value;
    std::uint8_t length = 0;
    std::array<char, kLongest> text{};
  };

  std::vector<Place> places_;  // none before the first use
};

// The process's own; it lives for ever, for the interpreter ends before C++ does.
DecimalTable& decimal_table();

}  // namespace cache_me::python
