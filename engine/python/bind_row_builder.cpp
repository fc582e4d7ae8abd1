// row_builder.hpp for Python.
#include <nanobind/nanobind.h>

#include "bindings.hpp"
#include "row_builder.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

PyRef owned(nb::handle object) {
  return PyRef::borrow(object.ptr());
}

PyRef interned(nb::handle name) {
  PyObject* text = nb::str(name).release().ptr();
  PyUnicode_InternInPlace(&text);
  return PyRef::steal(text);
}

PyRef interned_or_null(nb::handle name) {
  return name.is_none() ? PyRef() : interned(name);
}

PyRef a_class(nb::handle object) {
  if (!PyType_Check(object.ptr()) || reinterpret_cast<PyTypeObject*>(object.ptr())->tp_dictoffset == 0) {
    throw nb::type_error("a plan is made of classes whose instances have a __dict__");
  }
  return owned(object);
}

// (model, start, names, which are foreign keys, extra, related, primary key's column, local and remote name)
ObjectPlan object_plan(nb::handle description) {
  const nb::tuple parts = nb::cast<nb::tuple>(description);
  if (parts.size() != 9) throw nb::value_error("an object's plan has nine parts");
  ObjectPlan plan;
  plan.model = a_class(parts[0]);
  plan.start = nb::cast<std::size_t>(parts[1]);
  for (const nb::handle name : nb::cast<nb::tuple>(parts[2])) plan.names.push_back(interned(name));
  for (const nb::handle flag : nb::cast<nb::tuple>(parts[3]))
    plan.foreign_key.push_back(nb::cast<bool>(flag));
  if (plan.names.size() != plan.foreign_key.size()) throw nb::value_error("a flag for each name");
  for (const nb::handle pair : nb::cast<nb::tuple>(parts[4])) {
    plan.extra.emplace_back(interned(pair[0]), nb::cast<std::size_t>(pair[1]));
  }
  for (const nb::handle related : nb::cast<nb::tuple>(parts[5])) {
    plan.related.push_back(object_plan(related));
    if (!plan.related.back().local_name) throw nb::value_error("a related object has a local name");
  }
  plan.primary_key = nb::cast<std::size_t>(parts[6]);
  plan.local_name = interned_or_null(parts[7]);
  plan.remote_name = interned_or_null(parts[8]);
  return plan;
}

PyObject* mode_or_null(nb::handle mode) {
  return mode.is_none() ? nullptr : mode.ptr();
}

nb::object result(PyRef object) {
  if (!object) throw nb::python_error();
  return nb::steal(object.release());
}

}  // namespace
}  // namespace cache_me::python

void register_row_builder(nb::module_& module) {
  using namespace cache_me::python;

  if (!init_row_builder()) throw nb::python_error();
  nb::class_<InstancePlan>(module, "InstancePlan",
                           "How rows become instances of one model; made once, used for every hit.")
      .def(
          "__init__",
          [](InstancePlan* self, nb::handle state, nb::tuple plan) {
            new (self) InstancePlan(a_class(state), object_plan(plan));
          },
          "state"_a, "plan"_a,
          nb::sig("def __init__(self, state: type, plan: tuple[typing.Any, ...]) -> None"),
          "`state` is Django's ModelState. `plan` is (model, start, names, which are foreign keys, extra, "
          "related, primary key's column, local name, remote name).")
      .def(
          "build",
          [](const InstancePlan& self, nb::list rows, nb::str database, nb::handle mode) {
            return result(self.build(rows.ptr(), database.ptr(), mode_or_null(mode)));
          },
          "rows"_a, "database"_a, "mode"_a.none(),
          nb::sig("def build(self, rows: list[typing.Any], database: str, mode: typing.Any) -> "
                  "list[typing.Any]"),
          "New instances of `rows`, as Django makes them of the database's rows. `mode`: Django's fetch "
          "mode, or None before Django 6.1.")
      .def(
          "build_from",
          [](const InstancePlan& self, nb::bytes rows, nb::str database, nb::handle mode) {
            return result(self.build_from({rows.c_str(), rows.size()}, database.ptr(), mode_or_null(mode)));
          },
          "rows"_a, "database"_a, "mode"_a.none(),
          nb::sig("def build_from(self, rows: bytes, database: str, mode: typing.Any) -> list[typing.Any]"),
          "The same of encoded rows. Raises ValueError for bytes that are no rows of this plan.");
}
