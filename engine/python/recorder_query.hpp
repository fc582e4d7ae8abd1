// A queryset's Query, as `query` and as `_query`: it has none while it has a chain, and gets one when it's
// asked.
#pragma once

#include <Python.h>

#include "py_ref.hpp"

namespace cache_me::python {

// To be called once, at import. False: a Python error is set.
bool init_recorder_query();

// What stands on QuerySet as `_query`. Not a data descriptor: whoever has a Query has it in its __dict__, and
// this is asked by those alone that have none.
PyRef make_query_attribute();

// What stands on QuerySet in place of `query`, of Django's property: a property like it, which itself answers
// for querysets whose Query is there. It keeps them away from `_query`'s attribute of the class, by which
// CPython can't specialise, and is asked a dozen times for each query. Null: an error is set.
PyRef make_query_property(PyObject* djangos);

}  // namespace cache_me::python
