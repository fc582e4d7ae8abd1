#include "aggregate_plan.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "compat.hpp"
#include "recorder_value.hpp"
#include "row_codec_types.hpp"

namespace cache_me::python {
namespace {

// What tells a number from others of its type; none: it isn't one whose conversions are kept.
std::optional<std::uint64_t> bits_of(PyObject* number) noexcept {
  std::uint64_t bits = 0;
  if (PyFloat_CheckExact(number)) {
    const double value = PyFloat_AS_DOUBLE(number);
    std::memcpy(&bits, &value, sizeof(bits));
  } else if (PyLong_CheckExact(number)) {
    int overflow = 0;
    bits = static_cast<std::uint64_t>(PyLong_AsLongLongAndOverflow(number, &overflow));
    if (overflow != 0) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return bits;
}

bool is_number(PyObject* object) noexcept {
  return PyLong_CheckExact(object) || PyFloat_CheckExact(object) || Py_TYPE(object) == codec_types().decimal;
}

std::size_t place_of(std::uint64_t bits) noexcept {
  std::uint64_t hash = 0;
  mix(hash, bits);
  mix(hash, bits >> 32);  // many floats end in zeros
  return static_cast<std::size_t>(hash >> (64 - ConvertedNumbers::kPlaceBits));
}

}  // namespace

PyObject* ConvertedNumbers::find(PyObject* raw) const noexcept {
  const std::optional<std::uint64_t> bits = bits_of(raw);
  if (!bits || places_.empty()) return nullptr;
  const Place& place = places_[place_of(*bits)];
  const bool is_known =
      place.raw && Py_TYPE(place.raw.get()) == Py_TYPE(raw) && bits_of(place.raw.get()) == bits;
  return is_known ? place.converted.get() : nullptr;
}

void ConvertedNumbers::keep(PyObject* raw, PyObject* converted) {
  const std::optional<std::uint64_t> bits = bits_of(raw);
  if (!compat::kHasGil || !bits || !is_number(converted)) return;
  if (places_.empty()) places_.resize(std::size_t{1} << kPlaceBits);
  // Numbers hold nothing, so letting go of the old ones runs no code.
  places_[place_of(*bits)] = {PyRef::borrow(raw), PyRef::borrow(converted)};
}

AggregatePlan::AggregatePlan(std::vector<Column> columns, PyRef conversions, PyRef kept_as)
    : ResultPlan(columns.size()),
      columns_(std::move(columns)),
      numbers_(columns_.size()),
      conversions_(std::move(conversions)),
      kept_as_(std::move(kept_as)) {}

// A list of lists, one for each column. Null: a Python error is set.
PyRef AggregatePlan::converters_for(PyObject* connection) const {
  const PyRef dict =
      connection == nullptr ? PyRef() : PyRef::steal(PyObject_GenericGetDict(connection, nullptr));
  PyObject* kept = dict ? PyDict_GetItemWithError(dict.get(), kept_as_.get()) : nullptr;
  PyObject* known = kept != nullptr && PyDict_CheckExact(kept)
                        ? PyDict_GetItemWithError(kept, conversions_.get())
                        : nullptr;
  if (PyErr_Occurred() != nullptr) return PyRef();
  PyRef found =
      known != nullptr
          ? PyRef::borrow(known)
          : PyRef::steal(compat::call(conversions_.get(), connection == nullptr ? Py_None : connection));
  if (found && (!PyList_CheckExact(found.get()) ||
                static_cast<std::size_t>(PyList_GET_SIZE(found.get())) != columns_.size())) {
    PyErr_SetString(PyExc_TypeError, "a list of converters for each column");
    return PyRef();
  }
  return found;
}

PyRef AggregatePlan::converted(const Column& column, PyObject* raw, PyObject* converters,
                               PyObject* connection) const {
  PyRef value = PyRef::borrow(raw);
  for (Py_ssize_t i = 0; PyList_CheckExact(converters) && i < PyList_GET_SIZE(converters); ++i) {
    PyObject* const arguments[] = {value.get(), column.expression.get(),
                                   connection == nullptr ? Py_None : connection};
    value = PyRef::steal(compat::vectorcall(PyList_GET_ITEM(converters, i), arguments, 3, nullptr));
    if (!value) return PyRef();
  }
  return value;
}

PyRef AggregatePlan::make(PyObject* const* row, const Batch& batch) const {
  PyRef converters;
  PyRef dict = PyRef::steal(PyDict_New());
  for (std::size_t i = 0; dict && i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    PyRef value = PyRef::borrow(column.is_number ? numbers_[i].find(row[i]) : nullptr);
    if (!value) {
      if (!converters) converters = converters_for(batch.connection);
      if (!converters) return PyRef();
      const PyRef own = PyRef::borrow(PyList_GET_ITEM(converters.get(), static_cast<Py_ssize_t>(i)));
      value = converted(column, row[i], own.get(), batch.connection);
      if (!value) return PyRef();
      if (column.is_number) numbers_[i].keep(row[i], value.get());
    }
    if (PyDict_SetItem(dict.get(), column.name.get(), value.get()) < 0) return PyRef();
  }
  return dict;
}

}  // namespace cache_me::python
