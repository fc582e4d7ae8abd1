// Access to the object that a foreign key points to, by a plan: what Django's ForwardManyToOneDescriptor does
// to get it, where the instance doesn't have it yet.
//
// Django makes a manager, a queryset and a Q of the foreign key's value, and calls get(). All of that is the
// same for all instances of a class, but for the value; so the entry is looked up by a plan with that one
// value. What has to be true of the relation for that to be the same is decided in Python
// (reading/forward_access.py).
#pragma once

#include <Python.h>

#include <memory>

#include "attributes.hpp"
#include "py_ref.hpp"
#include "recorder_watch.hpp"

namespace cache_me::python {

class Plan;

struct Forward {
  explicit Forward(Shape instances) : shape(std::move(instances)) {}

  PyRef descriptor;
  PyRef alias;        // of the database
  Shape shape;        // of the instances: their state, and where they have the foreign key's value
  PyRef state_class;  // of their state
  PyRef value_class;  // other values are Django's
  PyRef cache_name;   // where the instance's state keeps the related object
  PyRef remote_name;  // and the related object's the instance, if that's the only one; or null
  PyRef model;        // the related one
  PyRef manager;      // by which Django asks: of a class whose querysets are recorded
  PyRef querysets;    // their class
  // Nobody has given these two attributes of their own in place of methods: they have as many as they had.
  PyRef descriptor_dict, manager_dict;
  Py_ssize_t descriptor_size = 0, manager_size = 0;
  // The classes of all that takes part, and their methods where the class can't be watched.
  Watches watches;
  ClassAttributes methods;
  std::shared_ptr<const Plan> plan;
};

// What stands in place of the descriptor's __get__. Null: a Python error is set.
PyRef make_forward_access(PyRef original);

bool init_recorder_forward();

}  // namespace cache_me::python
