// cache_me/single_writes.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include "bindings.hpp"
#include "cache_me/single_writes.hpp"
#include "packed_numbers.hpp"
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
}
