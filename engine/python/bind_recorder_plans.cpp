// recorder_plan.hpp and recorder_ground.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <limits>
#include <utility>

#include "bindings.hpp"
#include "recorder_ground.hpp"
#include "recorder_plan.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

void add_parameter(Plan& plan, std::size_t value, nb::bytes head, nb::handle key_attribute,
                   std::optional<std::int64_t> least, std::optional<std::int64_t> most, nb::handle convert,
                   bool is_members, nb::handle wrap, bool is_numeral, bool refuses_clock_words) {
  Parameter parameter;
  parameter.is_constant = false;
  parameter.value = value;
  parameter.is_members = is_members;
  parameter.encoded.assign(head.c_str(), head.size());
  parameter.key_attribute = owned_or_null(key_attribute);
  parameter.least = least;
  parameter.most = most;
  parameter.convert = owned_or_null(convert);
  parameter.wrap = owned_or_null(wrap);
  parameter.is_numeral = is_numeral;
  parameter.refuses_clock_words = refuses_clock_words;
  if (is_numeral && (!least || !most)) throw nb::value_error("a numeral's integer has bounds");
  plan.parameters.push_back(std::move(parameter));
}

// Of whichever function makes something of a tuple of values; None where it makes nothing.
template <typename Make>
nb::object of_values(nb::tuple values, Make make) {
  std::vector<PyObject*> all;
  for (const nb::handle value : values) all.push_back(value.ptr());
  PyRef made = make(all.data());
  if (made) return nb::steal(made.release());
  PyErr_Clear();
  return nb::none();
}

void add_constant(Plan& plan, nb::bytes encoded, nb::handle value) {
  Parameter parameter;
  parameter.constant = owned(value);
  parameter.encoded.assign(encoded.c_str(), encoded.size());
  plan.parameters.push_back(std::move(parameter));
}

// A ground watches the __dict__ that it is kept in, its connection's: without these two no connection that
// was ever read over would be freed with its thread.
int traverse_ground(PyObject* self, visitproc visit, void* arg) {
#if PY_VERSION_HEX >= 0x03090000
  Py_VISIT(Py_TYPE(self));
#endif
  if (!nb::inst_ready(self)) return 0;
  const auto* ground = nb::inst_ptr<Ground>(self);
  Py_VISIT(ground->rows_of.get());
  Py_VISIT(ground->status.get());
  Py_VISIT(ground->idle.get());
  return ground->watches.visit(visit, arg);
}

int clear_ground(PyObject* self) {
  auto* ground = nb::inst_ptr<Ground>(self);
  ground->until = -std::numeric_limits<double>::infinity();  // holds no more
  ground->watches.clear();
  const PyRef rows_of = std::move(ground->rows_of);
  const PyRef status = std::move(ground->status);
  const PyRef idle = std::move(ground->idle);
  return 0;
}

PyType_Slot ground_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(&traverse_ground)},
                              {Py_tp_clear, reinterpret_cast<void*>(&clear_ground)},
                              {0, nullptr}};

void register_all(nb::module_& module) {
  module.def(
      "may_read_the_clock", [](nb::str text) { return may_read_the_clock(text.ptr()); }, "text"_a,
      "Whether PostgreSQL may turn a parameter of that text into the time of the statement.");
  nb::class_<Ground>(module, "Ground", "What reads over one connection stand on: see recorder_ground.hpp.",
                     nb::type_slots(ground_slots))
      .def(
          "__init__",
          [](Ground* self, const std::string& whose, nb::object store, double until, nb::handle status,
             nb::handle idle, bool reads_begin_transactions, nb::object idle_mark) {
            new (self) Ground();
            self->whose = whose;
            if (PyTuple_CheckExact(store.ptr())) {
              const auto shared = nb::cast<nb::tuple>(store);
              self->store = nb::cast<std::shared_ptr<SharedStore>>(shared[0]);
              self->table = nb::cast<std::shared_ptr<VersionTable>>(shared[1]);
            } else {
              self->rows_of = owned(store);
            }
            self->until = until;
            self->status = owned_or_null(status);
            self->idle = owned_or_null(idle);
            self->reads_begin_transactions = reads_begin_transactions;
            if (!idle_mark.is_none()) {
              const auto mark = nb::cast<nb::tuple>(idle_mark);
              for (const nb::handle name : nb::cast<nb::tuple>(mark[0]))
                self->idle_names.push_back(owned(name));
              self->idle_number = nb::cast<long>(mark[1]);
            }
          },
          "whose"_a, "store"_a, "until"_a, "status"_a.none(), "idle"_a.none(), "reads_begin_transactions"_a,
          "idle_mark"_a.none() = nb::none(),
          nb::sig(
              "def __init__(self, whose: str, store: tuple[SharedStore, VersionTable] | "
              "typing.Callable[[str, int], bytes | None], until: float, status: typing.Any, idle: "
              "typing.Any, reads_begin_transactions: bool, idle_mark: tuple[tuple[str, ...], int] | None = "
              "None) -> None"),
          "`store`: entries and versions in shared memory, or what gives the rows of a valid entry "
          "elsewhere.")
      .def(
          "watch",
          [](Ground& self, nb::dict dict, nb::handle name, nb::handle value, bool absent, bool equal) {
            self.watches.add(owned(dict), owned(name), absent ? PyRef() : owned(value), equal);
          },
          "dict"_a, "name"_a, "value"_a.none(), "absent"_a = false, "equal"_a = false,
          nb::sig("def watch(self, dict: dict[typing.Any, typing.Any], name: typing.Any, value: typing.Any, "
                  "absent: "
                  "bool = False, equal: bool = False) -> None"),
          "It holds as long as that entry is this very object (or equal to it, or isn't there).")
      .def(
          "watch_class", [](Ground& self, nb::type_object type) { self.watches.add_class(owned(type)); },
          "type"_a, nb::sig("def watch_class(self, type: type) -> None"),
          "And nobody changes that class or its bases.")
      .def("holds", &Ground::holds)
      .def_ro("whose", &Ground::whose);
  nb::class_<Plan>(module, "Plan",
                   "What is worked out once for the queries of a shape: see recorder_plan.hpp.")
      .def(
          "__init__",
          [](Plan* self, nb::str alias, const std::string& whose, std::uint64_t fingerprint,
             bool knows_related) {
            new (self) Plan();
            self->alias = owned(alias);
            self->whose = whose;
            self->fingerprint = fingerprint;
            self->knows_related = knows_related;
          },
          "alias"_a, "whose"_a, "fingerprint"_a, "knows_related"_a)
      .def(
          "set_key",
          [](Plan& self, const std::string& name, std::vector<nb::bytes> sql, nb::bytes result,
             nb::bytes place) {
            KeyTemplate::Parts parts;
            parts.name = name;
            for (const nb::bytes& piece : sql) parts.sql.emplace_back(piece.c_str(), piece.size());
            parts.result.assign(result.c_str(), result.size());
            parts.whose = self.whose;
            parts.place.assign(place.c_str(), place.size());
            self.key = std::make_unique<KeyTemplate>(parts);
          },
          "name"_a, "sql"_a, "result"_a, "place"_a,
          "The digest's parts; a number goes between the pieces of SQL.")
      .def(
          "set_fixed_key", [](Plan& self, nb::bytes key) { self.fixed_key.assign(key.c_str(), key.size()); },
          "key"_a)
      .def_rw("as_list", &Plan::as_list)
      .def(
          "make_key",
          [](const Plan& self, nb::tuple values, nb::handle connection) {
            return of_values(values, [&](PyObject* const* all) {
              std::string key;
              if (!self.make_key(all, connection.ptr(), key)) return PyRef();
              return PyRef::steal(PyBytes_FromStringAndSize(key.data(), static_cast<Py_ssize_t>(key.size())));
            });
          },
          "values"_a, "connection"_a,
          nb::sig(
              "def make_key(self, values: tuple[typing.Any, ...], connection: typing.Any) -> bytes | None"),
          "The key in the store for these values; None: not by this plan.")
      .def(
          "set_miss",
          [](Plan& self, std::vector<nb::bytes> sql, nb::handle miss) {
            self.sql.clear();
            for (const nb::bytes& piece : sql) self.sql.emplace_back(piece.c_str(), piece.size());
            self.miss = owned_or_null(miss);
          },
          "sql"_a, "miss"_a.none(), nb::sig("def set_miss(self, sql: list[bytes], miss: typing.Any) -> None"),
          "Who asks the database, and the SQL around the gaps; see recorder_plan.hpp.")
      .def(
          "statement",
          [](const Plan& self, nb::tuple values, nb::handle connection) {
            return of_values(values,
                             [&](PyObject* const* all) { return self.statement(all, connection.ptr()); });
          },
          "values"_a, "connection"_a,
          nb::sig("def statement(self, values: tuple[typing.Any, ...], connection: typing.Any) -> "
                  "tuple[str, tuple[typing.Any, ...]] | None"),
          "SQL and parameters as Django would compile them; None: not by this plan.")
      .def("add_constant", &add_constant, "encoded"_a, "value"_a.none(),
           nb::sig("def add_constant(self, encoded: bytes, value: typing.Any) -> None"))
      .def("add_parameter", &add_parameter, "value"_a, "head"_a, "key_attribute"_a.none() = nb::none(),
           "least"_a = nb::none(), "most"_a = nb::none(), "convert"_a.none() = nb::none(),
           "is_members"_a = false, "wrap"_a.none() = nb::none(), "is_numeral"_a = false,
           "refuses_clock_words"_a = false,
           nb::sig("def add_parameter(self, value: int, head: bytes, key_attribute: str | None = None, "
                   "least: int | None "
                   "= None, "
                   "most: int | None = None, convert: "
                   "typing.Any = None, is_members: bool = False, wrap: typing.Any = None, is_numeral: bool = "
                   "False, refuses_clock_words: bool = False) -> None"))
      .def(
          "add_gap",
          [](Plan& self, std::size_t value, std::optional<std::size_t> less, bool is_members) {
            if (self.gaps.size() == Plan::kMostGaps) throw nb::value_error("too many gaps");
            self.gaps.push_back({value, less, is_members});
          },
          "value"_a, "less"_a = nb::none(), "is_members"_a = false)
      .def(
          "set_building",
          [](Plan& self, nb::handle building, nb::handle is_unheard) {
            self.building = nb::cast<const ResultPlan*>(building);
            self.building_owner = owned(building);
            self.is_unheard = owned_or_null(is_unheard);
          },
          "building"_a, "is_unheard"_a.none(),
          nb::sig("def set_building(self, building: ResultPlan, is_unheard: typing.Any) -> None"),
          "How rows become results; without it they are tuples. `is_unheard`: of instances only.")
      .def(
          "watch",
          [](Plan& self, nb::dict dict, nb::handle name, nb::handle value, bool absent) {
            self.watches.add(owned(dict), owned(name), absent ? PyRef() : owned(value), false);
          },
          "dict"_a, "name"_a, "value"_a.none(), "absent"_a = false,
          nb::sig("def watch(self, dict: dict[typing.Any, typing.Any], name: typing.Any, value: typing.Any, "
                  "absent: "
                  "bool = False) -> None"))
      .def(
          "watch_class", [](Plan& self, nb::type_object type) { self.watches.add_class(owned(type)); },
          "type"_a, nb::sig("def watch_class(self, type: type) -> None"));
}

}  // namespace
}  // namespace cache_me::python

void register_recorder_plans(nb::module_& module) {
  cache_me::python::register_all(module);
}
