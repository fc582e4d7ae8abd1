// What a decision rested on, so that it can be seen cheaply whether it still stands: entries of dicts that
// hold the very same object (or one that is equal), and classes that nobody has changed.
//
// The watched objects are kept, so that no other one gets their address.
#pragma once

#include <Python.h>

#include <vector>

#include "compat.hpp"
#include "py_ref.hpp"

namespace cache_me::python {

class Watches {
 public:
  // `value` null: there must be no such entry. `equal`: an equal object will do.
  void add(PyRef dict, PyRef name, PyRef value, bool equal) {
    entries_.push_back({std::move(dict), std::move(name), std::move(value), equal});
  }
  void add_class(PyRef type) {
    const unsigned version = compat::settled_version_of(reinterpret_cast<PyTypeObject*>(type.get()));
    classes_.push_back({std::move(type), version});
  }

  // For the cyclic collector: what is watched may lead back to whoever watches.
  int visit(visitproc visit, void* arg) const {
    for (const Entry& entry : entries_) {
      Py_VISIT(entry.dict.get());
      Py_VISIT(entry.name.get());
      Py_VISIT(entry.value.get());
    }
    for (const Class& one : classes_) Py_VISIT(one.type.get());
    return 0;
  }
  void clear() {
    // Taken out first: letting go may run code that comes back here.
    const std::vector<Entry> entries = std::move(entries_);
    const std::vector<Class> classes = std::move(classes_);
    entries_.clear();
    classes_.clear();
  }

  // Never sets an error.
  bool hold() const noexcept {
    for (const Entry& entry : entries_) {
      PyObject* found = PyDict_GetItemWithError(entry.dict.get(), entry.name.get());
      if (found == entry.value.get()) continue;
      if (found == nullptr || !entry.equal || !entry.value ||
          PyObject_RichCompareBool(found, entry.value.get(), Py_EQ) != 1) {
        PyErr_Clear();
        return false;
      }
    }
    for (const Class& one : classes_) {
      if (one.version == 0 ||
          compat::version_of(reinterpret_cast<PyTypeObject*>(one.type.get())) != one.version) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Entry {
    PyRef dict, name, value;
    bool equal;
  };
  struct Class {
    PyRef type;
    unsigned version;
  };
  std::vector<Entry> entries_;
  std::vector<Class> classes_;
};

// Attributes of classes that are what they were, for classes that CPython may have stopped to number: Django
// counts fields and managers in an attribute of their class. A class that has gained an attribute, or lost
// one, is taken for a changed one.
class ClassAttributes {
 public:
  void add(PyTypeObject* type, PyRef name) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type->tp_mro); ++i) {
      auto* const base = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(type->tp_mro, i));
      if ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) continue;  // cannot be changed
      PyObject* const dict = base->tp_dict;
      PyObject* const value = PyDict_GetItemWithError(dict, name.get());
      add_size(dict);
      if (value == nullptr) continue;
      entries_.push_back({PyRef::borrow(dict), std::move(name), PyRef::borrow(value)});
      return;
    }
  }

  // Never sets an error.
  bool hold() const noexcept {
    for (const Size& one : sizes_) {
      if (PyDict_GET_SIZE(one.dict.get()) != one.size) return false;
    }
    for (const Entry& entry : entries_) {
      if (PyDict_GetItemWithError(entry.dict.get(), entry.name.get()) != entry.value.get()) {
        PyErr_Clear();
        return false;
      }
    }
    return true;
  }

 private:
  void add_size(PyObject* dict) {
    for (const Size& one : sizes_) {
      if (one.dict.get() == dict) return;
    }
    sizes_.push_back({PyRef::borrow(dict), PyDict_GET_SIZE(dict)});
  }

  struct Entry {
    PyRef dict, name, value;
  };
  struct Size {
    PyRef dict;
    Py_ssize_t size;
  };
  std::vector<Entry> entries_;
  std::vector<Size> sizes_;
};

}  // namespace cache_me::python
