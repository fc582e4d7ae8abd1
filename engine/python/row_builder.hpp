// Rows to Django's model instances, without Django's own code running for each of them.
//
// The contract: an instance is what `Model.from_db` and `ModelIterable` make of the same row, in content and
// order of its __dict__ and that of its _state, in types, and in which objects are shared. What a model must
// be like for that to hold is decided in Python (reading/building.py); a plan is only made for such models.
//
// How: the type's own allocator, then the instance's __dict__ filled in the order in which Django's __init__
// sets attributes. That goes past descriptors with a __set__, of which only ForeignKeyDeferredAttribute is
// admitted: what it does is done here (see State).
//
// All functions need the GIL (or an attached thread). A plan is never changed once it is made.
#pragma once

#include <Python.h>

#include <string_view>
#include <utility>
#include <vector>

#include "py_ref.hpp"

namespace cache_me::python {

// One object of a row: the main one, or one that select_related brings along.
struct ObjectPlan {
  PyRef model;                                       // the class
  std::vector<PyRef> names;                          // attributes, interned, in Django's order
  std::vector<bool> foreign_key;                     // is it a ForeignKeyDeferredAttribute?
  std::size_t start = 0;                             // its first column
  std::vector<std::pair<PyRef, std::size_t>> extra;  // annotations: name, column
  std::vector<ObjectPlan> related;
  // Only of a related one:
  std::size_t primary_key = 0;  // its column; NULL: there is no such object
  PyRef local_name;             // in the fields_cache of the one that it belongs to
  PyRef remote_name;            // of that one in its own; null: not kept
};

class InstancePlan {
 public:
  // `state` is Django's ModelState.
  InstancePlan(PyRef state, ObjectPlan plan) : state_(std::move(state)), plan_(std::move(plan)) {}

  // New instances. `rows` is a list of tuples or lists of values. `mode` is a fetch mode, or null before
  // Django 6.1. Null: a Python error is set.
  PyRef build(PyObject* rows, PyObject* database, PyObject* mode) const;

  // The same from a rows blob; ValueError for bytes that are no rows of this plan.
  PyRef build_from(std::string_view bytes, PyObject* database, PyObject* mode) const;

  const ObjectPlan& root() const noexcept { return plan_; }
  std::size_t columns() const noexcept { return columns_of(plan_); }

 private:
  struct Batch;
  struct Made;
  static std::size_t columns_of(const ObjectPlan& plan) noexcept;
  PyRef start(std::size_t rows, std::size_t columns) const;
  bool make(const ObjectPlan& plan, const std::vector<PyRef>& row, const Batch& batch, Made& made) const;
  bool attach(const ObjectPlan& plan, const std::vector<PyRef>& row, const Batch& batch, Made& owner) const;

  PyRef state_;
  ObjectPlan plan_;
};

// Interns the names that are needed; to be called once, at import. False: a Python error is set.
bool init_row_builder();

}  // namespace cache_me::python
