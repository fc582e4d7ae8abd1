// The expressions that can be recorded: Django's own functions of one column, its F, and nothing else.
//
// Two expressions are the same only if all that they are made of is: the class itself (no subclass), the
// column's name, DISTINCT or not, and each further attribute as the class has it in a new instance. Whatever
// has another attribute, or another value in one (a filter, a default, an output_field …), is Django's.
#pragma once

#include <Python.h>

#include <vector>

#include "py_ref.hpp"

namespace cache_me::python {

struct Aggregate {
  PyObject* type = nullptr;    // borrowed
  PyObject* source = nullptr;  // borrowed: the name of the column; "*" of all rows
  bool distinct = false;
};

// False without an error: not one that can be recorded. What is borrowed lives as long as `value` isn't
// changed.
bool read_aggregate(PyObject* value, Aggregate& aggregate);

// The expression made anew. Null: an error is set.
PyRef make_aggregate(PyObject* type, PyObject* source, bool distinct);

// The name in a plain F; borrowed. Null without an error: it's none.
PyObject* read_column(PyObject* value);

// The F made anew. Null: an error is set.
PyRef make_column(PyObject* name);

// New instances as samples: one of each class of aggregates, of Django's F and of its Star. False: an error
// is set.
bool set_aggregates(const std::vector<PyRef>& aggregates, const PyRef& column, const PyRef& star);

bool init_recorder_aggregates();

}  // namespace cache_me::python
