// Rows to Django's model instances, without Django's own code running for each of them.
//
// The contract: an instance is what `Model.from_db` and `ModelIterable` make of the same row, in content and
// order of its __dict__ and that of its _state, in types, and in which objects are shared. What a model must
// be like for that to hold is decided in Python (reading/building.py); a plan is only made for such models.
//
// How: new instances, given their attributes (attributes.hpp) in the order in which Django's __init__ sets
// them. That goes past descriptors with a __set__, of which only ForeignKeyDeferredAttribute is admitted:
// what it does is done here.
#pragma once

#include <Python.h>

#include <vector>

#include "attributes.hpp"
#include "result_plan.hpp"

namespace cache_me::python {

// One object of a row: the main one, or one that select_related brings along.
struct ObjectPlan {
  Shape shape;                            // _state, the fields in Django's order, the annotations
  std::size_t start = 0;                  // its first column
  std::size_t fields = 0;                 // so many columns from there
  std::vector<std::size_t> foreign_keys;  // which of them are, as columns
  std::vector<std::size_t> extra;         // annotations, as columns
  std::vector<ObjectPlan> related;
  // Only of a related one:
  std::size_t primary_key = 0;  // its column; NULL: there is no such object
  PyRef local_name;             // in the fields_cache of the one that it belongs to
  PyRef remote_name;            // of that one in its own; null: not kept
};

class InstancePlan final : public ResultPlan {
 public:
  // `state` is Django's ModelState.
  InstancePlan(PyRef state, ObjectPlan plan);

  // Whether all its instances would be made in the fast tier now.
  bool is_fast() const;

 private:
  struct Made;
  PyRef make(PyObject* const* row, const Batch& batch) const override;
  bool make(const ObjectPlan& plan, PyObject* const* row, const Batch& batch, Made& made) const;
  bool attach(const ObjectPlan& plan, PyObject* const* row, const Batch& batch, Made& owner) const;

  Shape state_;
  ObjectPlan plan_;
};

// share_keys() of Django's ModelState.
bool share_keys_of_state(PyRef state);

// "_state", interned; borrowed.
PyObject* name_of_state();

// Interns the names that are needed; to be called once, at import. False: a Python error is set.
bool init_row_builder();

}  // namespace cache_me::python
