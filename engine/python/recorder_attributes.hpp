// The attributes of recorded querysets, and of managers.
//
// A queryset is made and read here without a __dict__ being made for it, where the fast tier of
// attributes.hpp is in use; as long as nobody has asked for its __dict__, its values are found by their
// places.
#pragma once

#include <Python.h>

#include <cstdint>
#include <vector>

#include "attributes.hpp"
#include "py_ref.hpp"
#include "recorder_chain.hpp"

namespace cache_me::python {

// One attribute of a new queryset.
struct Attribute {
  enum class Kind : std::uint8_t { fixed, new_dict, copied, model, db, hints, known };
  PyRef name;
  PyRef value;  // in a new one
  Kind kind = Kind::fixed;
};

// The shape of recorded querysets of that class: Django's attributes in the order of its __init__, the chain,
// and the policy and Query, which most don't have. Null: there's none, for the class isn't known yet, or for
// good.
const Shape* recorded_shape(PyTypeObject* querysets) noexcept;
// The same, made if need be. Null without an error: there are too many already.
const Shape* need_recorded_shape(PyTypeObject* querysets, const std::vector<Attribute>& attributes);

// What each call of a queryset's methods asks first, recorded or not; only if the values stand in place, and
// only until other code has run.
class Glance {
 public:
  enum What : std::size_t { chain, policy, query, deferred_filter, model, kCount };

  explicit Glance(PyObject* queryset) noexcept;

  explicit operator bool() const noexcept { return values_ != nullptr; }
  // Borrowed; null: it has none of its own.
  PyObject* at(What what) const noexcept { return values_[places_[what]]; }

 private:
  PyObject* const* values_ = nullptr;
  const std::uint8_t* places_ = nullptr;
};

// All borrowed, and only until somebody changes them.
class Attributes {
 public:
  // Of a queryset or a manager.
  explicit Attributes(PyObject* object);
  // Of a queryset by its __dict__.
  static Attributes of_dict(PyObject* dict);

  explicit operator bool() const noexcept { return shape_ != nullptr || dict_; }

  // Null: there's none.
  PyObject* find(PyObject* name) const noexcept;
  // Py_None: there's none.
  PyObject* get(PyObject* name) const noexcept {
    PyObject* found = find(name);
    return found == nullptr ? Py_None : found;
  }
  bool is_true(PyObject* name) const noexcept { return get(name) == Py_True; }
  // Null: it has a Query of its own, be it that somebody gave it one beside its chain.
  const Chain* chain() const noexcept;

  // False: a Python error is set.
  bool set(PyObject* name, PyObject* value);
  bool remove(PyObject* name);

 private:
  Attributes() = default;
  PyObject* need_dict() const noexcept;

  PyObject* object_ = nullptr;
  mutable PyRef dict_;
  const Shape* shape_ = nullptr;  // null: by the __dict__
};

bool init_recorder_attributes();

}  // namespace cache_me::python
