#include "result_plan.hpp"

#include <algorithm>

#include "collector_pause.hpp"
#include "decoded_rows.hpp"
#include "row_decoder.hpp"

namespace cache_me::python {
namespace {

// `make(i)` for each row, into a list.
template <typename Make>
PyRef list_of(std::size_t rows, Make make) {
  PyRef results = PyRef::steal(PyList_New(static_cast<Py_ssize_t>(rows)));
  for (std::size_t i = 0; results && i < rows;) {
    const CollectorPause pause(rows > 1);
    for (const std::size_t stop = std::min<std::size_t>(rows, i + kRowsPerPause); i < stop; ++i) {
      PyRef result = make(i);
      if (!result) return PyRef();
      PyList_SET_ITEM(results.get(), static_cast<Py_ssize_t>(i), result.release());
    }
  }
  return results;
}

}  // namespace

PyRef ResultPlan::build(PyObject* rows, const Batch& batch) const {
  const auto count = static_cast<std::size_t>(PyList_GET_SIZE(rows));
  return list_of(count, [&](std::size_t i) {
    if (i >= static_cast<std::size_t>(PyList_GET_SIZE(rows))) {
      PyErr_SetString(PyExc_ValueError, "the rows became fewer");
      return PyRef();
    }
    PyObject* const row = PyList_GET_ITEM(rows, static_cast<Py_ssize_t>(i));
    // A copy, if it isn't a tuple: lists may change while values are made.
    const PyRef values = PyRef::steal(PySequence_Tuple(row));
    if (!values) return PyRef();
    if (static_cast<std::size_t>(PyTuple_GET_SIZE(values.get())) < columns_) {
      PyErr_SetString(PyExc_ValueError, "a row has fewer columns than the plan");
      return PyRef();
    }
    return make(PySequence_Fast_ITEMS(values.get()), batch);
  });
}

bool ResultPlan::takes(const RowsHead& head) const {
  if (head.rows == 0 || head.columns >= columns_) return true;
  PyErr_SetString(PyExc_ValueError, "the rows have fewer columns than their plan");
  return false;
}

PyRef ResultPlan::build_from(std::string_view bytes, const Batch& batch) const {
  if (const auto decoded = decoded_cache().get(bytes)) {
    if (!takes(decoded->head())) return PyRef();
    RowBuffer fresh(0);
    return list_of(decoded->head().rows, [&](std::size_t i) {
      PyObject* const* const row = decoded->row(i, fresh);
      return row != nullptr ? make(row, batch) : PyRef();
    });
  }
  RowDecoder decoder(bytes);
  RowsHead head;
  if (!decoder.begin(head) || !takes(head)) return PyRef();
  RowBuffer row(head.rows == 0 ? 0 : head.columns);
  PyRef results =
      list_of(head.rows, [&](std::size_t) { return decoder.next(row) ? make(row.data(), batch) : PyRef(); });
  return results && decoder.end() ? std::move(results) : PyRef();
}

}  // namespace cache_me::python
