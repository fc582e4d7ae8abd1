// Python's parameters and rows as the values that the dependency rules know.
#pragma once

#include <Python.h>

#include "cache_me/dependency_rules.hpp"
#include "py_ref.hpp"

namespace cache_me::python {

// `value` if it is exactly of a Python type that stands for `type`: int (and psycopg's wrappers of it), bool,
// uuid.UUID, date or its ISO text, str; of a decimal its text. Its bytes live as long as `value` does. Sets
// no Python error.
KnownValue known_value(PyObject* value, ValueType type, char (&uuid)[16]);

// The parameters of one execution: a tuple or a list; anything else has none that are known. Borrowed.
class PythonParameters : public Parameters {
 public:
  explicit PythonParameters(PyObject* sequence) : sequence_(sequence) {}
  KnownValue parameter(std::uint32_t position, ValueType type) const override;
  bool is_null(std::uint32_t position) const override { return at(position) == Py_None; }

 private:
  PyObject* at(std::uint32_t position) const;
  PyObject* const sequence_;
  mutable char uuid_[16] = {};
  mutable PyRef text_;  // of a decimal
};

// A list of tuples or lists, as a driver gave them. Borrowed.
class PythonRows : public ResultRows {
 public:
  explicit PythonRows(PyObject* list) : list_(list) {}
  std::size_t rows() const override { return static_cast<std::size_t>(PyList_GET_SIZE(list_)); }
  Cell cell(std::size_t row, std::size_t column, ValueType type, KnownValue& value) const override;

 private:
  PyObject* const list_;
  mutable char uuids_[4][16] = {};  // of a composite key's parts
  mutable unsigned next_ = 0;
};

// Imports what known_value() compares with; to be called once, at import. False: a Python error is set.
bool init_statement_values();

}  // namespace cache_me::python
