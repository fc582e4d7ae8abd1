// An owned reference to a Python object: dropped when it goes out of scope.
#pragma once

#include <Python.h>

#include <utility>

namespace cache_me::python {

class PyRef {
 public:
  PyRef() noexcept = default;
  // Takes over a reference that the caller owns ("new reference" of CPython's documentation); may be null.
  static PyRef steal(PyObject* object) noexcept { return PyRef(object); }
  // Makes a reference of its own to a borrowed object; may be null.
  static PyRef borrow(PyObject* object) noexcept {
    Py_XINCREF(object);
    return PyRef(object);
  }

  PyRef(PyRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  PyRef& operator=(PyRef&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  PyRef(const PyRef&) = delete;
  PyRef& operator=(const PyRef&) = delete;
  ~PyRef() { Py_XDECREF(object_); }

  PyObject* get() const noexcept { return object_; }
  // Hands the reference over to the caller.
  PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  explicit PyRef(PyObject* object) noexcept : object_(object) {}

  PyObject* object_ = nullptr;
};

}  // namespace cache_me::python
