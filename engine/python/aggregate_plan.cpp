#include "aggregate_plan.hpp"

#include <utility>

#include "compat.hpp"

namespace cache_me::python {

AggregatePlan::AggregatePlan(std::vector<Column> columns)
    : ResultPlan(columns.size()), columns_(std::move(columns)) {}

PyRef AggregatePlan::make(PyObject* const* row, const Batch& batch) const {
  PyRef dict = PyRef::steal(PyDict_New());
  for (std::size_t i = 0; dict && i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    PyRef value = PyRef::borrow(row[i]);
    for (const PyRef& converter : column.converters) {
      PyObject* const arguments[] = {value.get(), column.expression.get(), batch.connection};
      value = PyRef::steal(compat::vectorcall(converter.get(), arguments, 3, nullptr));
      if (!value) return PyRef();
    }
    if (PyDict_SetItem(dict.get(), column.name.get(), value.get()) < 0) return PyRef();
  }
  return dict;
}

}  // namespace cache_me::python
