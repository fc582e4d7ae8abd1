// The fast tier's part of CPython's internals: where instances keep their attributes while nobody has asked
// for their __dict__. No other file includes an internal header, and
// this one is included by attributes.cpp alone, first of all.
//
// Since 3.11 the values stand in an array, in the order in which the class's shared keys came up, with the
// order of insertion of each instance beside it; 3.13 has that array in the instance itself. Writing there is
// what `self.x = …` does, without looking for x. Inline values are written only to instances that nobody else
// has seen yet. On a free-threaded build, and on versions that aren't tested, kInlineValues is false and the
// functions do nothing: attributes then go the public way (attributes.hpp).
#pragma once

#include <patchlevel.h>
#include <pyconfig.h>

#ifdef Py_PYTHON_H
#error "to be included before Python.h, which has to be told that internals are meant"
#endif

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
#define CACHE_ME_INLINE_VALUES 1
#if PY_VERSION_HEX < 0x030D0000  // their other way to atomics isn't C++
#undef HAVE_STD_ATOMIC
#define HAVE_BUILTIN_ATOMIC 1
#endif
#define Py_BUILD_CORE_MODULE 1
#include <Python.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <internal/pycore_dict.h>
#include <internal/pycore_object.h>
#pragma GCC diagnostic pop
#else
#define CACHE_ME_INLINE_VALUES 0
#include <Python.h>
#endif

#include <cstddef>
#include <cstdint>

namespace cache_me::python::compat {

inline constexpr bool kInlineValues = CACHE_ME_INLINE_VALUES != 0;

#if CACHE_ME_INLINE_VALUES

using InlineValues = PyDictValues;

// The keys that instances of `type` share, or null; only ever added to.
inline PyDictKeysObject* shared_keys(PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030D0000
  constexpr unsigned long wanted = Py_TPFLAGS_INLINE_VALUES;
#else
  constexpr unsigned long wanted = Py_TPFLAGS_MANAGED_DICT;
#endif
  if ((type->tp_flags & wanted) == 0 || (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 ||
      type->tp_alloc != PyType_GenericAlloc) {
    return nullptr;
  }
  PyDictKeysObject* keys = reinterpret_cast<PyHeapTypeObject*>(type)->ht_cached_keys;
  return keys != nullptr && keys->dk_kind == DICT_KEYS_SPLIT ? keys : nullptr;
}

inline Py_ssize_t shared_keys_count(PyDictKeysObject* keys) {
  return keys->dk_nentries;
}

// The place of the value of `name` among the values; -1: it has none.
inline int place_of(PyDictKeysObject* keys, PyObject* name) {
  for (Py_ssize_t i = 0; i < keys->dk_nentries; ++i) {
    PyObject* key = DK_UNICODE_ENTRIES(keys)[i].me_key;
    // Not the very same where a descriptor has written to the __dict__, as Django's for foreign keys does.
    if (key == name || PyUnicode_Compare(key, name) == 0) return static_cast<int>(i);
  }
  return -1;
}

// A new instance with room for values, of which it has none. Without room (`values` is null then) it is like
// any other new one. Null: a Python error is set.
inline PyObject* allocate_inline(PyTypeObject* type, PyObject* no_arguments, InlineValues*& values) {
#if PY_VERSION_HEX >= 0x030D0000
  static_cast<void>(no_arguments);
  PyObject* object = PyType_GenericAlloc(type, 0);
  values = object == nullptr ? nullptr : _PyObject_InlineValues(object);
  if (values != nullptr && values->valid == 0) values = nullptr;
#else
  PyObject* object = PyBaseObject_Type.tp_new(type, no_arguments, nullptr);  // it makes the array
  values = nullptr;
  if (object == nullptr) return object;
#if PY_VERSION_HEX >= 0x030C0000
  const PyDictOrValues found = *_PyObject_DictOrValuesPointer(object);
  if (_PyDictOrValues_IsValues(found)) values = _PyDictOrValues_GetValues(found);
#else
  values = *_PyObject_ValuesPointer(object);
#endif
#endif
  return object;
}

// The values of an instance of a class with shared keys, by places; null: it has a __dict__ by now.
inline PyObject* const* values_of(PyObject* object) {
#if PY_VERSION_HEX >= 0x030D0000
  if (_PyObject_GetManagedDict(object) != nullptr) return nullptr;
  InlineValues* values = _PyObject_InlineValues(object);
  return values->valid != 0 ? values->values : nullptr;
#elif PY_VERSION_HEX >= 0x030C0000
  const PyDictOrValues found = *_PyObject_DictOrValuesPointer(object);
  return _PyDictOrValues_IsValues(found) ? _PyDictOrValues_GetValues(found)->values : nullptr;
#else
  InlineValues* values = *_PyObject_ValuesPointer(object);
  return values != nullptr ? values->values : nullptr;
#endif
}

// How many of these are there.
inline std::size_t count_of(PyObject* const* array) {
  const auto* bytes = reinterpret_cast<const char*>(array) - offsetof(InlineValues, values);
  const auto* values = reinterpret_cast<const InlineValues*>(bytes);
#if PY_VERSION_HEX >= 0x030D0000
  return values->size;
#else
  return *(reinterpret_cast<const std::uint8_t*>(values) - 2);  // as CPython's own macros have it
#endif
}

// Sets attributes that aren't there yet, as if one after another. `places` are within the array: keys that
// were shared before the instance was made have room.
inline void append_inline(InlineValues* values, const std::uint8_t* places, std::size_t count,
                          PyObject* const* added) {
  for (std::size_t i = 0; i < count; ++i) {
    Py_INCREF(added[i]);
    values->values[places[i]] = added[i];
    _PyDictValues_AddToInsertionOrder(values, places[i]);
  }
}

#else

struct InlineValues;
struct SharedKeys;

inline SharedKeys* shared_keys(PyTypeObject*) {
  return nullptr;
}
inline Py_ssize_t shared_keys_count(SharedKeys*) {
  return 0;
}
inline int place_of(SharedKeys*, PyObject*) {
  return -1;
}
inline PyObject* allocate_inline(PyTypeObject*, PyObject*, InlineValues*&) {
  return nullptr;
}
inline void append_inline(InlineValues*, const std::uint8_t*, std::size_t, PyObject* const*) {}
inline PyObject* const* values_of(PyObject*) {
  return nullptr;
}
inline std::size_t count_of(PyObject* const*) {
  return 0;
}

#endif

// Whether this is the very Python that the module was compiled for: internals may change in any release.
inline bool is_the_build() {
#if PY_VERSION_HEX >= 0x030B0000
  return Py_Version == PY_VERSION_HEX;
#else
  return false;
#endif
}

}  // namespace cache_me::python::compat
