#include "row_builder.hpp"

#include <algorithm>

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

// The attributes of a ModelState, by their number in its shape.
enum StateAttribute : std::size_t { kFieldsCache, kAdding, kDb, kFetchMode };

// fetch_mode is an attribute of the class from Django 6.1 on.
Shape state_shape(PyRef state) {
  std::vector<PyRef> attributes;
  for (PyObject* name : {names.fields_cache, names.adding, names.db})
    attributes.push_back(PyRef::borrow(name));
  const PyRef mode = PyRef::steal(PyObject_GetAttr(state.get(), names.fetch_mode));
  if (mode) attributes.push_back(PyRef::borrow(names.fetch_mode));
  PyErr_Clear();
  return Shape(std::move(state), std::move(attributes));
}

std::size_t columns_of(const ObjectPlan& plan) noexcept {
  std::size_t most = std::max(plan.start + plan.fields, plan.primary_key + 1);
  for (const std::size_t column : plan.extra) most = std::max(most, column + 1);
  for (const ObjectPlan& related : plan.related) most = std::max(most, columns_of(related));
  return most;
}

bool are_fast(const ObjectPlan& plan) {
  return plan.shape.places() != nullptr && std::all_of(plan.related.begin(), plan.related.end(), are_fast);
}

}  // namespace

bool InstancePlan::is_fast() const {
  return state_.places() != nullptr && are_fast(plan_);
}

InstancePlan::InstancePlan(PyRef state, ObjectPlan plan)
    : ResultPlan(columns_of(plan)), state_(state_shape(std::move(state))), plan_(std::move(plan)) {}

bool share_keys_of_state(PyRef state) {
  return share_keys(state_shape(std::move(state)));
}

// An instance in the making.
struct InstancePlan::Made {
  NewObject object;
  NewObject state;
  PyRef fields;  // _state.fields_cache, once it exists

  bool need_fields(const Shape& state_shape) {
    if (fields) return true;
    fields = PyRef::steal(PyDict_New());
    return fields && state.set(state_shape, kFieldsCache, fields.get());
  }
};

bool InstancePlan::make(const ObjectPlan& plan, PyObject* const* row, const Batch& batch, Made& made) const {
  if (!made.object.allocate(plan.shape) || !made.state.allocate(state_) ||
      !made.object.set(plan.shape, 0, made.state.get()) ||
      !made.object.set(plan.shape, 1, plan.fields, row + plan.start)) {
    return false;
  }
  // ForeignKeyDeferredAttribute.__set__ looks into fields_cache, which thereby comes into being, if the
  // value differs from the None that the attribute had.
  for (const std::size_t column : plan.foreign_keys) {
    if (row[column] != Py_None && !made.need_fields(state_)) return false;
  }
  // from_db() sets these once __init__() is through.
  PyObject* const after[] = {Py_False, batch.database, batch.mode};
  const bool has_mode = batch.mode != nullptr && state_.names().size() > kFetchMode;
  if (!made.state.set(state_, kAdding, has_mode ? 3 : 2, after)) return false;
  for (const ObjectPlan& related : plan.related) {
    if (!attach(related, row, batch, made)) return false;
  }
  for (std::size_t i = 0; i < plan.extra.size(); ++i) {
    if (!made.object.set(plan.shape, 1 + plan.fields + i, row[plan.extra[i]])) return false;
  }
  return true;
}

// RelatedPopulator.populate()
bool InstancePlan::attach(const ObjectPlan& plan, PyObject* const* row, const Batch& batch,
                          Made& owner) const {
  Made made;
  const bool exists = row[plan.primary_key] != Py_None;
  if (exists && !make(plan, row, batch, made)) return false;
  if (!owner.need_fields(state_) ||
      PyDict_SetItem(owner.fields.get(), plan.local_name.get(), exists ? made.object.get() : Py_None) < 0) {
    return false;
  }
  return !exists || !plan.remote_name ||
         (made.need_fields(state_) &&
          PyDict_SetItem(made.fields.get(), plan.remote_name.get(), owner.object.get()) == 0);
}

PyRef InstancePlan::make(PyObject* const* row, const Batch& batch) const {
  Made made;
  return make(plan_, row, batch, made) ? PyRef::steal(made.object.release()) : PyRef();
}

PyObject* name_of_state() {
  return names.state;
}

bool init_row_builder() {
  names.state = PyUnicode_InternFromString("_state");
  names.fields_cache = PyUnicode_InternFromString("fields_cache");
  names.adding = PyUnicode_InternFromString("adding");
  names.db = PyUnicode_InternFromString("db");
  names.fetch_mode = PyUnicode_InternFromString("fetch_mode");
  return names.state != nullptr && names.fields_cache != nullptr && names.adding != nullptr &&
         names.db != nullptr && names.fetch_mode != nullptr && init_attributes();
}

}  // namespace cache_me::python
