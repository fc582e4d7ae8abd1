// row_builder.hpp and rows_plan.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "aggregate_plan.hpp"
#include "bindings.hpp"
#include "decoded_rows.hpp"
#include "row_builder.hpp"
#include "rows_plan.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

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
  std::vector<PyRef> names;
  names.push_back(PyRef::borrow(name_of_state()));
  for (const nb::handle name : nb::cast<nb::tuple>(parts[2])) names.push_back(interned(name));
  const std::size_t fields = names.size() - 1;
  const auto start = nb::cast<std::size_t>(parts[1]);
  std::vector<std::size_t> foreign_keys;
  std::size_t column = start;
  for (const nb::handle flag : nb::cast<nb::tuple>(parts[3])) {
    if (nb::cast<bool>(flag)) foreign_keys.push_back(column);
    ++column;
  }
  if (column != start + fields) throw nb::value_error("a flag for each name");
  std::vector<std::size_t> extra;
  for (const nb::handle pair : nb::cast<nb::tuple>(parts[4])) {
    names.push_back(interned(pair[0]));
    extra.push_back(nb::cast<std::size_t>(pair[1]));
  }
  ObjectPlan plan{Shape(a_class(parts[0]), std::move(names)),
                  start,
                  fields,
                  std::move(foreign_keys),
                  std::move(extra),
                  {},
                  0,
                  PyRef(),
                  PyRef()};
  for (const nb::handle related : nb::cast<nb::tuple>(parts[5])) {
    plan.related.push_back(object_plan(related));
    if (!plan.related.back().local_name) throw nb::value_error("a related object has a local name");
  }
  plan.primary_key = nb::cast<std::size_t>(parts[6]);
  plan.local_name = interned_or_null(parts[7]);
  plan.remote_name = interned_or_null(parts[8]);
  return plan;
}

RowsPlan rows_plan(nb::handle made, const nb::tuple& names, std::vector<std::size_t> columns) {
  RowsPlan::Kind kind = RowsPlan::Kind::single;
  if (!RowsPlan::kind_of(made.ptr(), kind)) throw nb::type_error("dict, tuple, a namedtuple, or None");
  if (kind == RowsPlan::Kind::single && columns.size() != 1) throw nb::value_error("one column");
  if (names.size() != (kind == RowsPlan::Kind::dict ? columns.size() : 0)) {
    throw nb::value_error("a name for each column of a dict, else none");
  }
  std::vector<PyRef> keys;
  for (const nb::handle name : names) keys.push_back(interned(name));
  RowsPlan plan(kind, owned(made), std::move(keys), std::move(columns));
  if (!plan.valid()) throw nb::python_error();
  return plan;
}

// (name, expression, is it a number?) of each column
AggregatePlan aggregate_plan(const nb::list& description, nb::handle conversions, nb::handle kept_as) {
  std::vector<AggregatePlan::Column> columns;
  for (const nb::handle parts : description)
    columns.push_back({interned(parts[0]), owned(parts[1]), nb::cast<bool>(parts[2])});
  return AggregatePlan(std::move(columns), owned(conversions), interned(kept_as));
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
  module.def("fast_tier", &fast_tier, "Whether instances are made in the fast tier (attributes.hpp).");
  module.def("use_fast_tier", &use_fast_tier, "wanted"_a,
             "Switch it on or off, for tests; it stays off where the Python isn't the one of the build.");
  module.def(
      "share_keys_of_state",
      [](nb::handle state) {
        if (!share_keys_of_state(a_class(state))) throw nb::python_error();
      },
      "state"_a, nb::sig("def share_keys_of_state(state: type) -> None"),
      "To be called before Django's ModelState has many instances, for the fast tier to work with it.");
  module.def(
      "set_decoded_budget", [](std::size_t bytes) { decoded_cache().set_budget(bytes); }, "bytes"_a,
      "How much decoded values of rows that are asked for again may take (decoded_rows.hpp); 0: none.");
  module.def(
      "decoded_size", [] { return decoded_cache().size(); }, "How much they take now.");
  nb::class_<ResultPlan>(module, "ResultPlan",
                         "How rows become a query's results; made once, used for every hit.")
      .def(
          "build",
          [](const ResultPlan& self, nb::list rows, nb::str database, nb::handle mode,
             nb::handle connection) {
            return result(
                self.build(rows.ptr(), {database.ptr(), mode_or_null(mode), mode_or_null(connection)}));
          },
          "rows"_a, "database"_a, "mode"_a.none(), "connection"_a.none() = nb::none(),
          nb::sig("def build(self, rows: list[typing.Any], database: str, mode: typing.Any, connection: "
                  "typing.Any = None) -> "
                  "list[typing.Any]"),
          "New results of `rows`, as Django makes them of the database's rows. `mode`: Django's fetch "
          "mode, or None before Django 6.1.")
      .def(
          "build_from",
          [](const ResultPlan& self, nb::bytes rows, nb::str database, nb::handle mode) {
            return result(self.build_from({rows.c_str(), rows.size()}, {database.ptr(), mode_or_null(mode)}));
          },
          "rows"_a, "database"_a, "mode"_a.none(),
          nb::sig("def build_from(self, rows: bytes, database: str, mode: typing.Any) -> list[typing.Any]"),
          "The same of encoded rows. Raises ValueError for bytes that are no rows of this plan.");
  nb::class_<InstancePlan, ResultPlan>(module, "InstancePlan", "Instances of one model.")
      .def(
          "__init__",
          [](InstancePlan* self, nb::handle state, nb::tuple plan) {
            new (self) InstancePlan(a_class(state), object_plan(plan));
          },
          "state"_a, "plan"_a,
          nb::sig("def __init__(self, state: type, plan: tuple[typing.Any, ...]) -> None"),
          "`state` is Django's ModelState. `plan` is (model, start, names, which are foreign keys, extra, "
          "related, primary key's column, local name, remote name).")
      .def("is_fast", &InstancePlan::is_fast,
           "Whether all its instances would be made in the fast tier now.");
  nb::class_<RowsPlan, ResultPlan>(module, "RowsPlan", "Dicts, tuples, named tuples or single values.")
      .def(
          "__init__",
          [](RowsPlan* self, nb::handle made, nb::tuple names, const std::vector<std::size_t>& columns) {
            new (self) RowsPlan(rows_plan(made, names, columns));
          },
          "made"_a.none(), "names"_a, "columns"_a,
          nb::sig("def __init__(self, made: type | None, names: tuple[str, ...], columns: "
                  "collections.abc.Sequence[int]) -> None"),
          "`made` is dict, tuple, a namedtuple, or None for single values. `names` are a dict's keys. "
          "`columns` are those of the items, in order.");
  nb::class_<AggregatePlan, ResultPlan>(module, "AggregatePlan", "The dict that aggregate() gives.")
      .def(
          "__init__",
          [](AggregatePlan* self, nb::list columns, nb::handle conversions, nb::handle kept_as) {
            new (self) AggregatePlan(aggregate_plan(columns, conversions, kept_as));
          },
          "columns"_a, "conversions"_a, "kept_as"_a,
          nb::sig("def __init__(self, columns: list[tuple[str, typing.Any, bool]], conversions: "
                  "typing.Any, kept_as: str) -> None"),
          "Of each column its name, its expression, and whether it is a number. `conversions(connection)` "
          "gives the converters of each, "
          "and keeps them in the connection's __dict__ under that name, by itself.");
}
