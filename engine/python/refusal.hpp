// Errors that a conversion raises for a value that isn't its own: what they are about is met again, by
// Django. All others aren't ours to drop: an interrupt, what a signal's handler raises.
#pragma once

#include <Python.h>

namespace cache_me::python {

// Clears the error if it's one of those.
inline void clear_refusal() noexcept {
  if (PyErr_Occurred() == nullptr) return;
  for (PyObject* kind : {PyExc_ValueError, PyExc_TypeError, PyExc_ArithmeticError}) {
    if (PyErr_ExceptionMatches(kind) != 0) return PyErr_Clear();
  }
}

// The same for code of others that may fail in whatever way: what is no Exception (an interrupt, SystemExit,
// gevent's Timeout) stays. False: such an error is set.
inline bool clear_failure() noexcept {
  if (PyErr_Occurred() == nullptr) return true;
  if (PyErr_ExceptionMatches(PyExc_Exception) == 0) return false;
  PyErr_Clear();
  return true;
}

}  // namespace cache_me::python
