#include "aggregate_plan.hpp"

#include <utility>

#include "compat.hpp"

namespace cache_me::python {

AggregatePlan::AggregatePlan(std::vector<Column> columns, PyRef conversions, PyRef kept_as)
    : ResultPlan(columns.size()),
      columns_(std::move(columns)),
      conversions_(std::move(conversions)),
      kept_as_(std::move(kept_as)) {}

// A list of lists, one for each column. Null: a Python error is set.
PyRef AggregatePlan::converters_for(PyObject* connection) const {
  const PyRef dict =
      connection == nullptr ? PyRef() : PyRef::steal(PyObject_GenericGetDict(connection, nullptr));
  PyObject* kept = dict ? PyDict_GetItemWithError(dict.get(), kept_as_.get()) : nullptr;
  PyObject* known = kept != nullptr && PyDict_CheckExact(kept)
                        ? PyDict_GetItemWithError(kept, conversions_.get())
                        : nullptr;
  if (PyErr_Occurred() != nullptr) return PyRef();
  PyRef found =
      known != nullptr
          ? PyRef::borrow(known)
          : PyRef::steal(compat::call(conversions_.get(), connection == nullptr ? Py_None : connection));
  if (found && (!PyList_CheckExact(found.get()) ||
                static_cast<std::size_t>(PyList_GET_SIZE(found.get())) != columns_.size())) {
    PyErr_SetString(PyExc_TypeError, "a list of converters for each column");
    return PyRef();
  }
  return found;
}

PyRef AggregatePlan::make(PyObject* const* row, const Batch& batch) const {
  const PyRef converters = converters_for(batch.connection);
  PyRef dict = converters ? PyRef::steal(PyDict_New()) : PyRef();
  for (std::size_t i = 0; dict && i < columns_.size(); ++i) {
    const PyRef own = PyRef::borrow(PyList_GET_ITEM(converters.get(), static_cast<Py_ssize_t>(i)));
    PyRef value = PyRef::borrow(row[i]);
    for (Py_ssize_t n = 0; PyList_CheckExact(own.get()) && n < PyList_GET_SIZE(own.get()); ++n) {
      PyObject* const arguments[] = {value.get(), columns_[i].expression.get(),
                                     batch.connection == nullptr ? Py_None : batch.connection};
      value = PyRef::steal(compat::vectorcall(PyList_GET_ITEM(own.get(), n), arguments, 3, nullptr));
      if (!value) return PyRef();
    }
    if (PyDict_SetItem(dict.get(), columns_[i].name.get(), value.get()) < 0) return PyRef();
  }
  return dict;
}

}  // namespace cache_me::python
