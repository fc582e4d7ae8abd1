// cache_me/single_writes.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include "bindings.hpp"
#include "cache_me/single_writes.hpp"
#include "packed_numbers.hpp"
#include "single_way.hpp"
#include "statement_values.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void register_single_writes(nb::module_& module) {
  using namespace cache_me;
  using namespace cache_me::python;

  nb::class_<SingleWrites>(
      module, "SingleWrites",
      "Statements of one connection that are commits of their own, and write known rows.")
      .def(
          "__init__",
          [](SingleWrites* self, std::shared_ptr<VersionTable> table, std::uint64_t schema,
             std::uint64_t version, const nb::bytes& session, bool settles_with_owner) {
            new (self) SingleWrites(std::move(table), schema, version,
                                    std::string(session.c_str(), session.size()), settles_with_owner);
          },
          "table"_a, "schema"_a, "version"_a, "session"_a, "settles_with_owner"_a)
      .def(
          "declare",
          [](const SingleWrites& self, const WriteRule& rule, nb::handle parameters,
             const nb::bytes& others) {
            return self.declare(rule, PythonParameters(parameters.ptr()), unpack(others));
          },
          "rule"_a, "parameters"_a, "others"_a,
          "The declared intent of a statement with these parameters, which bumps the others (packed) too; "
          "None: not by this way.")
      .def(
          "finish", [](const SingleWrites& self, Intent& intent) { return self.finish(std::move(intent)); },
          "intent"_a, "Bump and withdraw. False: bump everything, where the file is now.")
      .def(
          "keep",
          [](const SingleWrites& self, Intent& intent) { return self.table().keep(std::move(intent)); },
          "intent"_a, "Bump, and keep the intent until its session is settled. False as for finish().");
  nb::class_<SingleWay>(module, "SingleWay",
                        "The short way of one connection's statements: see single_way.hpp.")
      .def(
          "__init__",
          [](SingleWay* self, const SingleWrites& writes, nb::handle store, nb::dict plans,
             nb::handle revision, nb::handle commits_at_once, double until) {
            new (self) SingleWay(writes);
            self->store = owned(store);
            self->plans = owned(plans);
            self->revision = owned(revision);
            self->commits_at_once = owned(commits_at_once);
            self->until = until;
          },
          "writes"_a, "store"_a, "plans"_a, "revision"_a, "commits_at_once"_a, "until"_a,
          nb::sig("def __init__(self, writes: SingleWrites, store: typing.Any, plans: dict[typing.Any, "
                  "typing.Any], revision: int, commits_at_once: typing.Callable[[typing.Any, typing.Any], "
                  "bool], until: float) -> None"))
      .def(
          "watch",
          [](SingleWay& self, nb::dict dict, nb::handle name, nb::handle value) {
            self.watches.add(owned(dict), owned(name), owned(value), false);
          },
          "dict"_a, "name"_a, "value"_a.none(),
          nb::sig("def watch(self, dict: dict[typing.Any, typing.Any], name: typing.Any, value: typing.Any) "
                  "-> None"),
          "It is gone as long as that entry is this very object.")
      .def_prop_ro(
          "store", [](const SingleWay& self) { return nb::borrow(self.store.get()); },
          nb::for_getter(nb::sig("def store(self, /) -> typing.Any")))
      .def_prop_ro(
          "writes", [](const SingleWay& self) -> const SingleWrites& { return self.writes; },
          nb::rv_policy::reference_internal);
}
