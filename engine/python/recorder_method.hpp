// RecordedMethod: what stands on Django's QuerySet and Manager in place of a method of theirs.
#pragma once

#include <Python.h>

#include "py_ref.hpp"
#include "recorder_shape.hpp"

namespace cache_me::python {

// To be called once, at import. False: a Python error is set.
bool init_recorded_methods();

// `original` is Django's function, which is called for all that isn't recorded.
PyRef make_recorded_method(PyRef original, PyRef name, Method method, bool on_manager);
// What stands in place of a method of QuerySet that is the same for most querysets: `original` is called for
// those of which nothing is recorded nor asked of the cache, and whose model is one of the set `others`, if
// this isn't null; for all else `otherwise` is.
PyRef make_diverted_method(PyRef original, PyRef otherwise, PyRef others);

// What stands in place of another of Django's functions: `function` is called, and may call the original.
PyRef make_stand_in(PyRef original, PyRef name, vectorcallfunc function);
PyObject* original_of(PyObject* stand_in) noexcept;  // borrowed

// The rows of a queryset with a chain, if they're a hit; null without an error: they aren't. `alias`: of the
// database, as the router has said.
PyRef rows_of(PyObject* queryset, PyObject* alias);

// What the method that ends the chain `longer`, called on `queryset`, gives by a hit; null as above.
PyRef end_of(PyObject* queryset, PyObject* longer, PyObject* alias);

// The call of one of a queryset's methods, as Python has it; false with an error set.
struct HeldCall {
  Values held;
  std::vector<PyObject*> arguments;
  Call call;
  PyRef names;

  bool hold(Method method, PyObject* args, PyObject* kwargs, bool sticky, bool late);
};

}  // namespace cache_me::python
