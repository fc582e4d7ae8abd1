#include "row_builder.hpp"

#include <algorithm>

#include "collector_pause.hpp"
#include "row_decoder.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* state = nullptr;
  PyObject* fields_cache = nullptr;
  PyObject* adding = nullptr;
  PyObject* db = nullptr;
  PyObject* fetch_mode = nullptr;
};
Names names;  // interned; kept until the process ends

PyTypeObject* type_of(const PyRef& type) {
  return reinterpret_cast<PyTypeObject*>(type.get());
}

// An instance of `type` with nothing in its __dict__, which comes along.
bool allocate(const PyRef& type, PyRef& object, PyRef& dict) {
  object = PyRef::steal(type_of(type)->tp_alloc(type_of(type), 0));
  if (!object) return false;
  dict = PyRef::steal(PyObject_GenericGetDict(object.get(), nullptr));
  return static_cast<bool>(dict);
}

bool set(const PyRef& dict, PyObject* name, PyObject* value) {
  return PyDict_SetItem(dict.get(), name, value) == 0;
}

}  // namespace

// What is the same for all rows.
struct InstancePlan::Batch {
  PyObject* database;
  PyObject* mode;  // may be null
};

// An instance in the making.
struct InstancePlan::Made {
  PyRef object;
  PyRef dict;
  PyRef state_dict;
  PyRef fields;  // _state.fields_cache, once it exists

  bool need_fields() {
    if (fields) return true;
    fields = PyRef::steal(PyDict_New());
    return fields && set(state_dict, names.fields_cache, fields.get());
  }
};

bool InstancePlan::make(const ObjectPlan& plan, const std::vector<PyRef>& row, const Batch& batch,
                        Made& made) const {
  PyRef state;
  if (!allocate(plan.model, made.object, made.dict) || !allocate(state_, state, made.state_dict) ||
      !set(made.dict, names.state, state.get())) {
    return false;
  }
  for (std::size_t i = 0; i < plan.names.size(); ++i) {
    PyObject* value = row[plan.start + i].get();
    // ForeignKeyDeferredAttribute.__set__ looks into fields_cache, which thereby comes into being, if the
    // value differs from the None that the attribute had.
    if (plan.foreign_key[i] && value != Py_None && !made.need_fields()) return false;
    if (!set(made.dict, plan.names[i].get(), value)) return false;
  }
  // from_db() sets these once __init__() is through.
  if (!set(made.state_dict, names.adding, Py_False) || !set(made.state_dict, names.db, batch.database) ||
      (batch.mode != nullptr && !set(made.state_dict, names.fetch_mode, batch.mode))) {
    return false;
  }
  for (const ObjectPlan& related : plan.related) {
    if (!attach(related, row, batch, made)) return false;
  }
  for (const auto& [name, column] : plan.extra) {
    if (!set(made.dict, name.get(), row[column].get())) return false;
  }
  return true;
}

// RelatedPopulator.populate()
bool InstancePlan::attach(const ObjectPlan& plan, const std::vector<PyRef>& row, const Batch& batch,
                          Made& owner) const {
  Made made;
  const bool exists = row[plan.primary_key].get() != Py_None;
  if (exists && !make(plan, row, batch, made)) return false;
  if (!owner.need_fields() ||
      !set(owner.fields, plan.local_name.get(), exists ? made.object.get() : Py_None)) {
    return false;
  }
  return !exists || !plan.remote_name ||
         (made.need_fields() && set(made.fields, plan.remote_name.get(), owner.object.get()));
}

std::size_t InstancePlan::columns_of(const ObjectPlan& plan) noexcept {
  std::size_t most = std::max(plan.start + plan.names.size(), plan.primary_key + 1);
  for (const auto& [name, column] : plan.extra) most = std::max(most, column + 1);
  for (const ObjectPlan& related : plan.related) most = std::max(most, columns_of(related));
  return most;
}

// A list for the instances of that many rows; null: a Python error is set.
PyRef InstancePlan::start(std::size_t rows, std::size_t columns) const {
  if (rows != 0 && columns < columns_of(plan_)) {
    PyErr_SetString(PyExc_ValueError, "the rows have fewer columns than their plan");
    return PyRef();
  }
  return PyRef::steal(PyList_New(static_cast<Py_ssize_t>(rows)));
}

PyRef InstancePlan::build(PyObject* rows, PyObject* database, PyObject* mode) const {
  const auto count = static_cast<std::size_t>(PyList_GET_SIZE(rows));
  PyRef instances = start(count, columns_of(plan_));
  const Batch batch{database, mode};
  std::vector<PyRef> row;
  for (std::size_t i = 0; instances && i < count;) {
    const CollectorPause pause(count > 1);
    for (const std::size_t stop = std::min(count, i + kRowsPerPause); i < stop; ++i) {
      const PyRef values = PyRef::steal(
          PySequence_Fast(PyList_GET_ITEM(rows, static_cast<Py_ssize_t>(i)), "a row is a tuple or a list"));
      if (!values) return PyRef();
      row.clear();
      for (Py_ssize_t column = 0; column < PySequence_Fast_GET_SIZE(values.get()); ++column) {
        row.push_back(PyRef::borrow(PySequence_Fast_GET_ITEM(values.get(), column)));
      }
      Made made;
      if (row.size() < columns_of(plan_)) {
        PyErr_SetString(PyExc_ValueError, "a row has fewer columns than the plan");
        return PyRef();
      }
      if (!make(plan_, row, batch, made)) return PyRef();
      PyList_SET_ITEM(instances.get(), static_cast<Py_ssize_t>(i), made.object.release());
    }
  }
  return instances;
}

PyRef InstancePlan::build_from(std::string_view bytes, PyObject* database, PyObject* mode) const {
  RowDecoder decoder(bytes);
  RowsHead head;
  if (!decoder.begin(head)) return PyRef();
  PyRef instances = start(head.rows, head.columns);
  const Batch batch{database, mode};
  std::vector<PyRef> row;
  row.reserve(head.columns);
  for (std::uint32_t i = 0; instances && i < head.rows;) {
    const CollectorPause pause(head.rows > 1);
    for (const std::uint32_t stop = std::min(head.rows, i + kRowsPerPause); i < stop; ++i) {
      Made made;
      if (!decoder.next(row) || !make(plan_, row, batch, made)) return PyRef();
      PyList_SET_ITEM(instances.get(), static_cast<Py_ssize_t>(i), made.object.release());
    }
  }
  return instances && decoder.end() ? std::move(instances) : PyRef();
}

bool init_row_builder() {
  names.state = PyUnicode_InternFromString("_state");
  names.fields_cache = PyUnicode_InternFromString("fields_cache");
  names.adding = PyUnicode_InternFromString("adding");
  names.db = PyUnicode_InternFromString("db");
  names.fetch_mode = PyUnicode_InternFromString("fetch_mode");
  return names.state != nullptr && names.fields_cache != nullptr && names.adding != nullptr &&
         names.db != nullptr && names.fetch_mode != nullptr;
}

}  // namespace cache_me::python
