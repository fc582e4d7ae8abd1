// Where CPython's versions differ, from 3.8 on; call sites have no #if.
#pragma once

#include <Python.h>

namespace cache_me::python::compat {

// Whether only one thread at a time runs here.
#ifdef Py_GIL_DISABLED
inline constexpr bool kHasGil = false;
#else
inline constexpr bool kHasGil = true;
#endif

// Stops the cyclic collector; true if it ran before. Without an effect before 3.10.
inline bool pause_collector() {
#if PY_VERSION_HEX >= 0x030A0000
  return PyGC_Disable() != 0;
#else
  return false;
#endif
}

inline void resume_collector() {
#if PY_VERSION_HEX >= 0x030A0000
  PyGC_Enable();
#endif
}

}  // namespace cache_me::python::compat
