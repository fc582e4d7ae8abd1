#include "statement_values.hpp"

#include <datetime.h>

#include <cstring>
#include <string_view>

#include "py_ref.hpp"

namespace cache_me::python {
namespace {

PyObject* uuid_type = nullptr;     // kept until the process ends
PyObject* decimal_type = nullptr;  // the same
PyObject* bytes_name = nullptr;    // interned

// Django wraps integers in these for psycopg 3, so that the server is told their types.
bool is_psycopgs_integer(PyTypeObject* type) {
  const std::string_view name = type->tp_name;
  if (type->tp_base != &PyLong_Type || (name != "Int2" && name != "Int4" && name != "Int8")) return false;
  const PyRef module = PyRef::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__module__"));
  if (!module) {
    PyErr_Clear();
    return false;
  }
  return PyUnicode_Check(module.get()) &&
         PyUnicode_CompareWithASCIIString(module.get(), "psycopg.types.numeric") == 0;
}

// Any other subclass may be written as something else than it says.
bool is_plain_integer(PyObject* value) {
  return PyLong_CheckExact(value) || (PyLong_Check(value) && is_psycopgs_integer(Py_TYPE(value)));
}

bool text_of(PyObject* value, std::string_view& text) {
  if (!PyUnicode_CheckExact(value)) return false;
  Py_ssize_t size = 0;
  const char* const bytes = PyUnicode_AsUTF8AndSize(value, &size);
  if (bytes == nullptr) {  // lone surrogates
    PyErr_Clear();
    return false;
  }
  text = {bytes, static_cast<std::size_t>(size)};
  return true;
}

bool days_of(PyObject* value, std::int64_t& days) {
  if (PyDate_CheckExact(value)) {
    days = days_of_date(PyDateTime_GET_YEAR(value), static_cast<unsigned>(PyDateTime_GET_MONTH(value)),
                        static_cast<unsigned>(PyDateTime_GET_DAY(value)));
    return true;
  }
  std::string_view text;
  return text_of(value, text) && days_of_date(text, days);
}

}  // namespace

KnownValue known_value(PyObject* value, ValueType type, char (&uuid)[16]) {
  KnownValue known;
  switch (type) {
    case ValueType::none:
      return {};
    case ValueType::integer: {
      if (!is_plain_integer(value)) return {};
      int overflow = 0;
      known.number = PyLong_AsLongLongAndOverflow(value, &overflow);
      if (overflow != 0) return {};
      break;
    }
    case ValueType::boolean:
      if (!PyBool_Check(value)) return {};
      known.number = value == Py_True ? 1 : 0;
      break;
    case ValueType::uuid: {
      if (reinterpret_cast<PyObject*>(Py_TYPE(value)) != uuid_type) return {};
      const PyRef bytes = PyRef::steal(PyObject_GetAttr(value, bytes_name));
      if (!bytes || !PyBytes_CheckExact(bytes.get()) || PyBytes_GET_SIZE(bytes.get()) != 16) {
        PyErr_Clear();
        return {};
      }
      std::memcpy(uuid, PyBytes_AS_STRING(bytes.get()), 16);
      known.bytes = {uuid, 16};
      break;
    }
    case ValueType::date:
      if (!days_of(value, known.number)) return {};
      break;
    case ValueType::text:
    case ValueType::decimal:
      if (!text_of(value, known.bytes)) return {};
      break;
  }
  known.type = type;
  return known;
}

// Borrowed; null: there is none.
PyObject* PythonParameters::at(std::uint32_t position) const {
  const auto index = static_cast<Py_ssize_t>(position);
  if (PyTuple_CheckExact(sequence_)) {
    return index < PyTuple_GET_SIZE(sequence_) ? PyTuple_GET_ITEM(sequence_, index) : nullptr;
  }
  if (PyList_CheckExact(sequence_)) {
    return index < PyList_GET_SIZE(sequence_) ? PyList_GET_ITEM(sequence_, index) : nullptr;
  }
  return nullptr;
}

KnownValue PythonParameters::parameter(std::uint32_t position, ValueType type) const {
  PyObject* value = at(position);
  if (value == nullptr) return {};
  if (type == ValueType::decimal &&
      (reinterpret_cast<PyObject*>(Py_TYPE(value)) == decimal_type || is_plain_integer(value))) {
    text_ = PyRef::steal(PyObject_Str(value));
    if (!text_) PyErr_Clear();
    if (!text_) return {};
    value = text_.get();
  }
  return known_value(value, type, uuid_);
}

ResultRows::Cell PythonRows::cell(std::size_t row, std::size_t column, ValueType type,
                                  KnownValue& value) const {
  PyObject* const cells = PyList_GET_ITEM(list_, static_cast<Py_ssize_t>(row));
  PyObject* cell = nullptr;
  if (PyTuple_Check(cells) && column < static_cast<std::size_t>(PyTuple_GET_SIZE(cells))) {
    cell = PyTuple_GET_ITEM(cells, static_cast<Py_ssize_t>(column));
  } else if (PyList_Check(cells) && column < static_cast<std::size_t>(PyList_GET_SIZE(cells))) {
    cell = PyList_GET_ITEM(cells, static_cast<Py_ssize_t>(column));
  }
  if (cell == nullptr) return Cell::unknown;
  if (cell == Py_None) return Cell::null;
  value = known_value(cell, type, uuids_[next_]);
  next_ = (next_ + 1) % 4;
  return value.type == ValueType::none ? Cell::unknown : Cell::known;
}

bool init_statement_values() {
  PyDateTime_IMPORT;
  if (PyDateTimeAPI == nullptr) return false;
  const PyRef module = PyRef::steal(PyImport_ImportModule("uuid"));
  if (!module) return false;
  uuid_type = PyObject_GetAttrString(module.get(), "UUID");
  bytes_name = PyUnicode_InternFromString("bytes");
  const PyRef decimals = PyRef::steal(PyImport_ImportModule("decimal"));
  if (!decimals) return false;
  decimal_type = PyObject_GetAttrString(decimals.get(), "Decimal");
  return uuid_type != nullptr && bytes_name != nullptr && decimal_type != nullptr;
}

}  // namespace cache_me::python
