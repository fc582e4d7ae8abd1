// Values of a row, or of rows, owned; may be used again for the next one.
#pragma once

#include <Python.h>

#include <vector>

#include "py_ref.hpp"

namespace cache_me::python {

class RowBuffer {
 public:
  explicit RowBuffer(std::size_t values) { reserve(values); }
  ~RowBuffer() { clear(); }
  RowBuffer(const RowBuffer&) = delete;
  RowBuffer& operator=(const RowBuffer&) = delete;

  void reserve(std::size_t values) { values_.reserve(values); }
  void push(PyRef value) { values_.push_back(value.release()); }
  void clear() noexcept {
    for (PyObject* value : values_) Py_DECREF(value);
    values_.clear();
  }
  std::size_t size() const noexcept { return values_.size(); }
  PyObject* const* data() const noexcept { return values_.data(); }

 private:
  std::vector<PyObject*> values_;
};

}  // namespace cache_me::python
