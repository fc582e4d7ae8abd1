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

// A number that changes when the class or one of its bases does (3.12: up to a thousand times); 0: not known.
inline unsigned version_of(PyTypeObject* type) {
#if PY_VERSION_HEX < 0x030C0000
  if ((type->tp_flags & Py_TPFLAGS_VALID_VERSION_TAG) == 0) return 0;
#endif
  return type->tp_version_tag;
}

// The same, given to it now if it has none: CPython gives a class its number only when it looks something up.
inline unsigned settled_version_of(PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030C0000
  PyUnstable_Type_AssignVersionTag(type);
#else
  PyObject* name = PyUnicode_InternFromString("__init__");
  if (name != nullptr) _PyType_Lookup(type, name);
  Py_XDECREF(name);
  PyErr_Clear();
#endif
  return version_of(type);
}

// A static type with nothing in it yet. Its members are as many as its version of Python has.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
inline PyTypeObject blank_type() {
  return {PyVarObject_HEAD_INIT(nullptr, 0)};
}
#pragma GCC diagnostic pop

// Flags of a static type whose instances are called by vectorcall; and as methods, without a bound object.
#if PY_VERSION_HEX >= 0x03090000
inline constexpr unsigned long kCallableFlags = Py_TPFLAGS_HAVE_VECTORCALL;
#else
inline constexpr unsigned long kCallableFlags = _Py_TPFLAGS_HAVE_VECTORCALL;
#endif
inline constexpr unsigned long kMethodFlags = kCallableFlags | Py_TPFLAGS_METHOD_DESCRIPTOR;

// 1: the attribute is there, and `found` a new reference to it. 0: it isn't. -1: a Python error is set.
inline int find_attribute(PyObject* object, PyObject* name, PyObject*& found) {
#if PY_VERSION_HEX >= 0x030D0000
  return PyObject_GetOptionalAttr(object, name, &found);
#else
  return _PyObject_LookupAttr(object, name, &found);
#endif
}

inline PyObject* vectorcall(PyObject* callable, PyObject* const* arguments, std::size_t count,
                            PyObject* names) {
#if PY_VERSION_HEX >= 0x03090000
  return PyObject_Vectorcall(callable, arguments, count, names);
#else
  return _PyObject_Vectorcall(callable, arguments, count, names);
#endif
}

// Calls the method of arguments[0]; `count` is with that.
inline PyObject* call_method(PyObject* name, PyObject* const* arguments, std::size_t count, PyObject* names) {
#if PY_VERSION_HEX >= 0x03090000
  return PyObject_VectorcallMethod(name, arguments, count, names);
#else
  PyObject* method = PyObject_GetAttr(arguments[0], name);
  if (method == nullptr) return nullptr;
  PyObject* result = _PyObject_Vectorcall(method, arguments + 1, count - 1, names);
  Py_DECREF(method);
  return result;
#endif
}

inline PyObject* call(PyObject* callable) {
  return vectorcall(callable, nullptr, 0, nullptr);
}

inline PyObject* call(PyObject* callable, PyObject* argument) {
  PyObject* arguments[] = {nullptr, argument};
  return vectorcall(callable, arguments + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

}  // namespace cache_me::python::compat
