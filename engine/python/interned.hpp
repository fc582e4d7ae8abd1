// Names that a module keeps until the process ends.
#pragma once

#include <Python.h>

namespace cache_me::python {

// The interned string, into `name`. False: a Python error is set.
inline bool intern(PyObject*& name, const char* words) noexcept {
  name = PyUnicode_InternFromString(words);
  return name != nullptr;
}

}  // namespace cache_me::python
