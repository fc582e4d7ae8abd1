// The one row of an aggregate() to the dict that it gives.
//
// Django keeps that row as the driver gives it, and converts its values at each hit; so does this, but for
// numbers: what Django has made of one is kept, for the same entries are hit again and again.
#pragma once

#include <Python.h>

#include <cstddef>
#include <vector>

#include "py_ref.hpp"
#include "result_plan.hpp"

namespace cache_me::python {

// Converted numbers by those that they were made of. Django's conversions of numbers depend on nothing else,
// and their results can't be changed. Under the GIL, without which there are no plans.
class ConvertedNumbers {
 public:
  static constexpr unsigned kPlaceBits = 8;

  // Borrowed; null: it isn't known.
  PyObject* find(PyObject* raw) const noexcept;
  void keep(PyObject* raw, PyObject* converted);

 private:
  struct Place {
    PyRef raw, converted;
  };
  std::vector<Place> places_;  // one for each hash; none before the first use
};

class AggregatePlan final : public ResultPlan {
 public:
  struct Column {
    PyRef name;
    PyRef expression;
    bool is_number = false;  // and Django converts it
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
  PyRef converted(const Column& column, PyObject* raw, PyObject* converters, PyObject* connection) const;

  std::vector<Column> columns_;
  mutable std::vector<ConvertedNumbers> numbers_;  // of each column
  PyRef conversions_;
  PyRef kept_as_;
};

}  // namespace cache_me::python
