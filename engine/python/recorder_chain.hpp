// The calls that made a queryset, in place of a Query: a shape and the values beside it. Never changed.
#pragma once

#include <Python.h>

#include <memory>

#include "recorder_shape.hpp"

namespace cache_me::python {

struct Chain {
  PyObject_VAR_HEAD std::shared_ptr<Node> node;
  PyObject* values[1];  // owned; as many as ob_size says
};

// To be called once, at import. False: a Python error is set.
bool init_chains();
PyTypeObject* chain_class() noexcept;

// A chain of `node` with the values of `parent` (may be null) and `own` behind them. Null: an error is set.
PyRef make_chain(std::shared_ptr<Node> node, const Chain* parent, const Values& own);

inline const Chain* as_chain(PyObject* object) noexcept {
  return object != nullptr && Py_TYPE(object) == chain_class() ? reinterpret_cast<const Chain*>(object)
                                                               : nullptr;
}

}  // namespace cache_me::python
