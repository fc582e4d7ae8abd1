// Where instances of ConnectionState (databases/connection.py) keep what is asked for at each statement.
#pragma once

#include <Python.h>

#include "py_ref.hpp"
#include "slots.hpp"

namespace cache_me::python {

struct StateSlots {
  PyRef type;
  Py_ssize_t raw = 0;
  Py_ssize_t changed = 0;
  Py_ssize_t written = 0;
  Py_ssize_t pending_writers = 0;
  Py_ssize_t unfinished_cursors = 0;
  Py_ssize_t snapshot_exists = 0;
  Py_ssize_t single_writes = 0;

  bool is_state(PyObject* object) const noexcept {
    return reinterpret_cast<PyObject*>(Py_TYPE(object)) == type.get();
  }
};

// To be read only once install_state_slots() has been called.
const StateSlots& state_slots();

// False: a Python error is set, for the class has others.
bool install_state_slots(PyTypeObject* type);

// Whether a transaction has written nothing, or a cursor: a set or null.
inline bool is_empty_set(PyObject* set) noexcept {
  return set == nullptr || (PyAnySet_Check(set) && PySet_GET_SIZE(set) == 0);
}

}  // namespace cache_me::python
