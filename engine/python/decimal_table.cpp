#include "decimal_table.hpp"

#include <algorithm>

#include "cache_me/hash.hpp"
#include "compat.hpp"
#include "row_codec_types.hpp"

namespace cache_me::python {
namespace {

PyRef new_decimal(std::string_view text) {
  const PyRef argument =
      PyRef::steal(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
  if (!argument) return PyRef();
  return PyRef::steal(PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(codec_types().decimal),
                                                   argument.get(), nullptr));
}

}  // namespace

PyRef DecimalTable::get(std::string_view text) {
  if (!compat::kHasGil || text.size() > kLongest) return new_decimal(text);
  if (places_.empty()) places_.resize(kPlaces);
  Place& place = places_[hash64(text) % kPlaces];
  if (place.value && std::string_view(place.text.data(), place.length) == text) {
    return PyRef::borrow(place.value.get());
  }
  PyRef value = new_decimal(text);
  if (!value) return value;
  // Decimals hold nothing, so letting go of the old one runs no code.
  std::copy(text.begin(), text.end(), place.text.begin());
  place.length = static_cast<std::uint8_t>(text.size());
  place.value = PyRef::borrow(value.get());
  return value;
}

DecimalTable& decimal_table() {
  static auto& table = *new DecimalTable;
  return table;
}

}  // namespace cache_me::python
