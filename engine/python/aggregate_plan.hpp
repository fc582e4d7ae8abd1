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
    PyRef expression;
  };

  // `conversions(connection)` gives the converters of each column, lists of converter(value, expression,
  // connection), and keeps them in the connection's __dict__ under `kept_as`, by itself: converters may hold
  // the connection, which belongs to a thread, and a plan doesn't.
  AggregatePlan(std::vector<Column> columns, PyRef conversions, PyRef kept_as);
  AggregatePlan(AggregatePlan&&) = default;
  AggregatePlan(const AggregatePlan&) = delete;

 private:
  PyRef make(PyObject* const* row, const Batch& batch) const override;
  PyRef converters_for(PyObject* connection) const;

  std::vector<Column> columns_;
  PyRef conversions_;
  PyRef kept_as_;
};

}  // namespace cache_me::python
