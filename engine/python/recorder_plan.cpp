#include "recorder_plan.hpp"

#include <array>

#include "cache_me/entry.hpp"
#include "recorder_ground.hpp"
#include "recorder_value.hpp"
#include "row_codec.hpp"

namespace cache_me::python {
namespace {

bool is_within(const Parameter& parameter, PyObject* value) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  return overflow == 0 && number >= *parameter.least && number <= *parameter.most;
}

// The parameter that Django would make of the value. Null without an error: not by this plan.
PyRef parameter_of(const Parameter& parameter, PyObject* value, PyObject* connection) {
  if (parameter.least && !is_within(parameter, value)) return PyRef();
  if (parameter.convert) {
    PyRef made =
        PyRef::steal(PyObject_CallFunctionObjArgs(parameter.convert.get(), value, connection, nullptr));
    if (!made) PyErr_Clear();  // Django raises it at the place where it always did
    return made;
  }
  PyRef made = PyRef::borrow(value);
  if (parameter.before) made = PyRef::steal(PyUnicode_Concat(parameter.before.get(), made.get()));
  if (made && parameter.after) made = PyRef::steal(PyUnicode_Concat(made.get(), parameter.after.get()));
  return made;
}

bool append(const Parameter& parameter, PyObject* const* values, PyObject* connection, Encoder& encoder) {
  encoder.bytes() += parameter.encoded;
  if (parameter.is_constant) return true;
  PyRef value = PyRef::borrow(values[parameter.value]);
  if (parameter.key_attribute) {
    value = key_of_instance(value.get(), parameter.key_attribute.get());
    if (!value) return false;
  }
  const PyRef made = parameter_of(parameter, value.get(), connection);
  Unknown unknown;
  return made && encode_value(encoder, made.get(), unknown, 1) == Encoded::ok;
}

bool is_malformed() {
  if (PyErr_ExceptionMatches(PyExc_ValueError) == 0) return false;
  PyErr_Clear();
  return true;
}

PyRef tuples_of(PyRef rows) {
  for (Py_ssize_t i = 0; rows && i < PyList_GET_SIZE(rows.get()); ++i) {
    PyObject* row = PyList_GET_ITEM(rows.get(), i);
    if (PyTuple_CheckExact(row)) continue;
    PyObject* tuple = PySequence_Tuple(row);
    if (tuple == nullptr) return PyRef();
    PyList_SetItem(rows.get(), i, tuple);
  }
  return rows;
}

PyRef firsts_of(PyRef rows) {
  for (Py_ssize_t i = 0; rows && i < PyList_GET_SIZE(rows.get()); ++i) {
    PyObject* row = PyList_GET_ITEM(rows.get(), i);
    const bool is_tuple = PyTuple_CheckExact(row);
    if (!is_tuple && !PyList_CheckExact(row)) return PyRef();
    if (Py_SIZE(row) == 0) return PyRef();
    PyObject* first = is_tuple ? PyTuple_GET_ITEM(row, 0) : PyList_GET_ITEM(row, 0);
    Py_INCREF(first);
    PyList_SetItem(rows.get(), i, first);
  }
  return rows;
}

}  // namespace

bool Plan::make_key(PyObject* const* values, PyObject* connection, std::string& key_out) const {
  if (!key) {
    key_out = fixed_key;
    return true;
  }
  std::array<std::int64_t, 2> gaps = {};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(values[numbers[i].value], &overflow);
    if (overflow != 0) return false;
    if (numbers[i].less) {
      // Both are at least 0, so this can't overflow.
      number -= PyLong_AsLongLongAndOverflow(values[*numbers[i].less], &overflow);
      if (overflow != 0) return false;
    }
    gaps[i] = number;
  }
  thread_local Encoder encoder;
  Encoder own;  // a conversion may come back here
  std::swap(own, encoder);
  own.clear();
  own.begin_nest(as_list ? Type::list : Type::tuple, parameters.size());
  bool made = true;
  for (const Parameter& parameter : parameters) {
    made = append(parameter, values, connection, own);
    if (!made) break;
  }
  if (made) key->assemble({gaps.data(), numbers.size()}, own.bytes(), key_out);
  std::swap(own, encoder);
  return made;
}

PyRef Plan::look_up(const std::string& at, const Ground& ground, PyObject* mode) const {
  thread_local std::string kept;
  std::string bytes;
  std::swap(bytes, kept);
  PyRef made;
  if (ground.store->get(at, bytes)) {
    const std::optional<Entry> entry = parse_entry(bytes);
    if (entry && entry->head.fingerprint == fingerprint &&
        ground.table->unchanged(entry->head.epoch, entry->head.dependencies, entry->head.versions)) {
      if (outcome == Outcome::instances) {
        made = building->build_from(entry->rows, alias.get(), mode);
      } else {
        made = decode_rows(entry->rows);
        if (outcome == Outcome::tuples) made = tuples_of(std::move(made));
        if (outcome == Outcome::firsts) made = firsts_of(std::move(made));
        if (made && outcome == Outcome::finished) {
          made = PyRef::steal(PyObject_CallFunctionObjArgs(finish.get(), made.get(), nullptr));
        }
      }
      if (!made && PyErr_Occurred() != nullptr && is_malformed()) ground.store->erase(at);
    }
  }
  std::swap(bytes, kept);
  return made;
}

}  // namespace cache_me::python
