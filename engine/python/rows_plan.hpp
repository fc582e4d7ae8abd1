// Rows to what values() and values_list() give: dicts, tuples, named tuples, single values.
//
// Which columns go where is found out in Python (reading/rows.py), by asking Django.
#pragma once

#include <Python.h>

#include <vector>

#include "py_ref.hpp"
#include "result_plan.hpp"

namespace cache_me::python {

class RowsPlan final : public ResultPlan {
 public:
  enum class Kind { dict, tuple, named_tuple, single };

  // What the results are if they are of this class; Kind::single for None. False: it is another class.
  static bool kind_of(PyObject* made, Kind& kind) noexcept;

  // `columns`: of each result's items, in order; one for a single value. `names` are a dict's keys, interned;
  // as many. Check valid() before use.
  RowsPlan(Kind kind, PyRef made, std::vector<PyRef> names, std::vector<std::size_t> columns);

  // False: a Python error is set.
  bool valid() const noexcept { return kind_ != Kind::dict || pattern_; }

 private:
  PyRef make(PyObject* const* row, const Batch& batch) const override;
  PyRef make_dict(PyObject* const* row) const;

  Kind kind_;
  PyRef made_;  // the class
  std::vector<PyRef> names_;
  std::vector<std::size_t> columns_;
  PyRef pattern_;  // a dict of the names, to be copied: faster than to let one grow
};

}  // namespace cache_me::python
