// A recorded queryset as the value of another's IN: `filter(category__in=Category.objects.filter(name="a"))`.
//
// Django takes such a queryset's Query, and nothing else of it but the database that it is bound to. So its
// shape is a part of the other's, and its chain's values stand among the other's. What it holds in its cache
// doesn't matter: Django asks for its rows by a subquery all the same.
#pragma once

#include <Python.h>

#include <memory>

#include "py_ref.hpp"
#include "recorder_chain.hpp"

namespace cache_me::python {

// Whether it's a queryset of a class that is recorded. May run Python code; never sets an error.
bool is_nestable(PyObject* value);
// The chain of such a queryset, or null without an error: one with more to it than its steps. Slices aren't
// taken, for their numbers would stand in the midst of the SQL; nor are those with a filter that Django puts
// off until the Query is taken, as related managers of foreign keys do.
PyRef nested_chain(PyObject* value);

// A new queryset of that class, of the values from `next` on, which is moved behind them. Null: a Python
// error is set.
PyRef make_nested(PyTypeObject* type, const std::shared_ptr<Node>& node, PyObject* const*& next);

bool init_recorder_nested();

}  // namespace cache_me::python
