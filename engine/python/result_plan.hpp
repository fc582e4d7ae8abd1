// How the rows of one kind of query become its results.
#pragma once

#include <Python.h>

#include <string_view>

#include "cache_me/codec.hpp"
#include "py_ref.hpp"

namespace cache_me::python {

// What is the same for all rows of a batch.
struct Batch {
  PyObject* database;              // Django's alias
  PyObject* mode;                  // Django's fetch mode; null before 6.1
  PyObject* connection = nullptr;  // Django's, where values are converted for it
};

// Never changed once it is made, so that threads may share it. All functions need the GIL (or an attached
// thread); null means that a Python error is set.
class ResultPlan {
 public:
  virtual ~ResultPlan() = default;

  // A list of new results. `rows` is a list of tuples or lists of values.
  PyRef build(PyObject* rows, const Batch& batch) const;

  // The same from a rows blob; ValueError for bytes that are no rows of this plan.
  PyRef build_from(std::string_view bytes, const Batch& batch) const;

 protected:
  explicit ResultPlan(std::size_t columns) : columns_(columns) {}

  // The result of one row, which has `columns` values at least.
  virtual PyRef make(PyObject* const* row, const Batch& batch) const = 0;

 private:
  bool takes(const RowsHead& head) const;

  std::size_t columns_;
};

}  // namespace cache_me::python
