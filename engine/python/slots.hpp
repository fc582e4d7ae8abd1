// __slots__ read and written where they stand, without looking for their descriptors.
#pragma once

#include <Python.h>

#include "py_ref.hpp"

namespace cache_me::python {

// Where instances of `type` have the slot `name`; 0 if it isn't one for any object.
Py_ssize_t slot_of(PyTypeObject* type, const char* name);

inline PyObject** slot_at(PyObject* object, Py_ssize_t offset) noexcept {
  return reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset);
}

// Fills an empty slot of a new object.
inline void set_slot(PyObject* object, Py_ssize_t offset, PyRef value) {
  *slot_at(object, offset) = value.release();
}

// Puts a value in place of another, which is let go of.
inline void replace_slot(PyObject* object, Py_ssize_t offset, PyRef value) {
  const PyRef before = PyRef::steal(*slot_at(object, offset));
  *slot_at(object, offset) = value.release();
}

}  // namespace cache_me::python
