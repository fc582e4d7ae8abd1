#include "rows_plan.hpp"

#include <algorithm>

namespace cache_me::python {
namespace {

std::size_t most_of(const std::vector<std::size_t>& columns) {
  return columns.empty() ? 0 : *std::max_element(columns.begin(), columns.end()) + 1;
}

// Tuples with nothing but their items, as collections.namedtuple() makes them.
bool is_plain_tuple(const PyTypeObject* type) {
  return PyType_IsSubtype(const_cast<PyTypeObject*>(type), &PyTuple_Type) != 0 &&
         type->tp_itemsize == PyTuple_Type.tp_itemsize && type->tp_basicsize == PyTuple_Type.tp_basicsize &&
         type->tp_dictoffset == 0;
}

}  // namespace

bool RowsPlan::kind_of(PyObject* made, Kind& kind) noexcept {
  if (made == Py_None) {
    kind = Kind::single;
  } else if (made == reinterpret_cast<PyObject*>(&PyDict_Type)) {
    kind = Kind::dict;
  } else if (made == reinterpret_cast<PyObject*>(&PyTuple_Type)) {
    kind = Kind::tuple;
  } else if (PyType_Check(made) && is_plain_tuple(reinterpret_cast<PyTypeObject*>(made))) {
    kind = Kind::named_tuple;
  } else {
    return false;
  }
  return true;
}

RowsPlan::RowsPlan(Kind kind, PyRef made, std::vector<PyRef> names, std::vector<std::size_t> columns)
    : ResultPlan(most_of(columns)),
      kind_(kind),
      made_(std::move(made)),
      names_(std::move(names)),
      columns_(std::move(columns)) {
  if (kind_ != Kind::dict) return;
  PyRef pattern = PyRef::steal(PyDict_New());
  for (const PyRef& name : names_) {
    if (!pattern || PyDict_SetItem(pattern.get(), name.get(), Py_None) < 0) return;
  }
  pattern_ = std::move(pattern);
}

PyRef RowsPlan::make_dict(PyObject* const* row) const {
  PyRef dict = PyRef::steal(PyDict_Copy(pattern_.get()));
  if (!dict) return dict;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (PyDict_SetItem(dict.get(), names_[i].get(), row[columns_[i]]) < 0) return PyRef();
  }
  return dict;
}

PyRef RowsPlan::make(PyObject* const* row, const Batch&) const {
  if (kind_ == Kind::single) return PyRef::borrow(row[columns_[0]]);
  if (kind_ == Kind::dict) return make_dict(row);
  const auto size = static_cast<Py_ssize_t>(columns_.size());
  auto* const type = reinterpret_cast<PyTypeObject*>(made_.get());
  PyRef tuple = PyRef::steal(kind_ == Kind::tuple ? PyTuple_New(size) : type->tp_alloc(type, size));
  for (Py_ssize_t i = 0; tuple && i < size; ++i) {
    PyTuple_SET_ITEM(tuple.get(), i, PyRef::borrow(row[columns_[static_cast<std::size_t>(i)]]).release());
  }
  return tuple;
}

}  // namespace cache_me::python
