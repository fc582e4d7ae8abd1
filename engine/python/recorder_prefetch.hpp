// prefetch_related() of one relation, by a plan: the related objects of all instances of a result, as
// Django's prefetch_related_objects() gives them.
//
// The related query of a relation has one value, the instances' primary keys. Its entry is looked up by a
// plan like any other's; what Django then does with the related objects is done here. What has to be true of
// the relation for that to be the same is decided in Python (reading/prefetching.py).
#pragma once

#include <Python.h>

#include <memory>

#include "py_ref.hpp"

namespace cache_me::python {

class Node;
class Plan;

struct Prefetch {
  PyRef name;             // the lookup, which is the attribute with the manager
  PyRef alias;            // of the database
  PyRef key_attribute;    // of the instances
  PyRef value_attribute;  // of related objects: the key of the instance that they belong to
  PyRef cache_name;       // in _prefetched_objects_cache
  PyRef managers;         // the class that the manager's derives from, which has to stay a plain one
  // What the manager of an instance gives: a queryset of that class, of the related model, with that step,
  // whose value is the instance's key (or the instance).
  PyRef querysets, model;
  std::shared_ptr<Node> node;
  // Of the reverse side of a foreign key: the field, and where the related objects keep the instance.
  PyRef field, parent_name;
  std::shared_ptr<const Plan> plan;
};

// Does all prefetches of an evaluated queryset if all of them are hits. 0: none was done, it's for Django to
// do. -1: a Python error is set.
int prefetch_for(PyObject* queryset);

bool init_recorder_prefetch();

}  // namespace cache_me::python
