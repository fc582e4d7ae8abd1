// The one row of an aggregate() to the dict that it gives.
//
// Django keeps that row as the driver gives it, and converts its values at each hit; so does this.
#pragma once

#include <Python.h>

#include <vector>

#include "py_ref.hpp"
#include "result_plan.hpp"

namespace cache_me::python {

class AggregatePlan final : public ResultPlan {
 public:
  struct Column {
    PyRef name;
    std::vector<PyRef> converters;  // converter(value, expression, connection), the first one first
    PyRef expression;
  };

  explicit AggregatePlan(std::vector<Column> columns);
  AggregatePlan(AggregatePlan&&) = default;
  AggregatePlan(const AggregatePlan&) = delete;

 private:
  PyRef make(PyObject* const* row, const Batch& batch) const override;

  std::vector<Column> columns_;
};

}  // namespace cache_me::python
