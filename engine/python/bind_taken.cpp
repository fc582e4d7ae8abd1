// cache_me/taken.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <optional>
#include <utility>

#include "bindings.hpp"
#include "packed_numbers.hpp"
#include "statement_values.hpp"
#include "taken_of_python.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

std::shared_ptr<Terms> make_terms(std::shared_ptr<ReadRule> rule, const nb::bytes& always,
                                  std::uint64_t schema, const nb::bytes& reading) {
  const std::vector<std::uint64_t> numbers = unpack(reading);
  if (numbers.size() != 2) throw nb::value_error("the reading is the epoch and the schema's version");
  auto terms = std::make_shared<Terms>();
  terms->rule = std::move(rule);
  terms->always = unpack(always);
  terms->schema = schema;
  terms->epoch = numbers[0];
  terms->schema_version = numbers[1];
  return terms;
}

std::optional<TakenOfPython> take(std::shared_ptr<Terms> terms, std::shared_ptr<VersionTable> table,
                                  nb::handle parameters, bool may_witness) {
  std::optional<Taken> taken = Taken::before(*terms, *table, PythonParameters(parameters.ptr()), may_witness);
  if (!taken) return std::nullopt;
  return TakenOfPython{std::move(terms), std::move(table), owned(parameters), std::move(*taken)};
}

}  // namespace
}  // namespace cache_me::python

void register_taken(nb::module_& module) {
  using namespace cache_me;
  using namespace cache_me::python;

  nb::class_<TakenOfPython>(module, "Taken", "What a miss has taken before the database is asked; opaque.")
      .def_prop_ro("needs_witnesses", [](const TakenOfPython& self) { return self.taken.needs_witnesses(); });
  nb::class_<Terms>(module, "Terms", "What is the same for all misses of one text under one schema.")
      .def(
          nb::new_(&make_terms), "rule"_a.none(), "always"_a, "schema"_a, "reading"_a,
          "`always` (packed) holds `schema`; `reading` is VersionTable.read()'s of `schema`, under which the "
          "rule was made.")
      .def(
          "take", &take, "table"_a, "parameters"_a, "may_witness"_a,
          "To be called before the database is asked. None: an intent stands, or the schema is another one.");
}
