// Where CPython's versions of datetime's interface differ; apart from compat.hpp, for datetime.h defines a
// variable in each file that includes it.
#pragma once

#include <Python.h>
#include <datetime.h>

namespace cache_me::python::compat {

// The tzinfo of a time or datetime, borrowed; Py_None if it's naive.
inline PyObject* time_zone(PyObject* time) {
#if PY_VERSION_HEX >= 0x030A0000
  return PyDateTime_TIME_GET_TZINFO(time);
#else
  const auto* value = reinterpret_cast<PyDateTime_Time*>(time);
  return value->hastzinfo ? value->tzinfo : Py_None;
#endif
}

inline PyObject* datetime_zone(PyObject* datetime) {
#if PY_VERSION_HEX >= 0x030A0000
  return PyDateTime_DATE_GET_TZINFO(datetime);
#else
  const auto* value = reinterpret_cast<PyDateTime_DateTime*>(datetime);
  return value->hastzinfo ? value->tzinfo : Py_None;
#endif
}

}  // namespace cache_me::python::compat
