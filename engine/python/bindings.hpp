// One registering function for each part of the engine; the file bind_<part>.cpp holds it. And what several
// of these need.
#pragma once

#include <nanobind/nanobind.h>

#include "py_ref.hpp"

void register_dependency_rules(nanobind::module_& module);
void register_row_builder(nanobind::module_& module);
void register_row_codec(nanobind::module_& module);
void register_sql_scanner(nanobind::module_& module);
void register_version_table(nanobind::module_& module);
void register_observed_cursor(nanobind::module_& module);
void register_single_writes(nanobind::module_& module);
void register_taken(nanobind::module_& module);
void register_shared_store(nanobind::module_& module);
void register_recorder(nanobind::module_& module);
void register_recorder_plans(nanobind::module_& module);
void register_recorder_forward(nanobind::module_& module);

namespace cache_me::python {

inline PyRef owned(nanobind::handle object) {
  return PyRef::borrow(object.ptr());
}

inline PyRef owned_or_null(nanobind::handle object) {
  return object.is_none() ? PyRef() : owned(object);
}

inline PyRef interned(nanobind::handle name) {
  PyObject* text = nanobind::str(name).release().ptr();
  PyUnicode_InternInPlace(&text);
  return PyRef::steal(text);
}

inline PyRef interned_or_null(nanobind::handle name) {
  return name.is_none() ? PyRef() : interned(name);
}

}  // namespace cache_me::python
