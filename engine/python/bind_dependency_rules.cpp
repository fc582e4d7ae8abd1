// cache_me/dependency_rules.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>

#include "bindings.hpp"
#include "cache_me/dependency_rules.hpp"
#include "dialect.hpp"
#include "packed_numbers.hpp"
#include "statement_values.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

struct Tables {
  TableFactsByName by_name;
};

using Column = std::tuple<std::string, std::string, std::uint32_t, bool, int>;
using ForeignKey = std::tuple<std::string, std::string, std::string>;

ValueType type_named(std::string_view name) {
  if (name == "integer") return ValueType::integer;
  if (name == "boolean") return ValueType::boolean;
  if (name == "uuid") return ValueType::uuid;
  if (name == "date") return ValueType::date;
  if (name == "text") return ValueType::text;
  if (name.empty()) return ValueType::none;
  throw nb::value_error("a column's type is 'integer', 'boolean', 'uuid', 'date', 'text' or ''");
}

void add_table(Tables& tables, const std::string& name, const std::vector<Column>& columns,
               std::vector<std::string> primary_key, const std::vector<ForeignKey>& foreign_keys) {
  auto facts = std::make_shared<TableFacts>();
  facts->name = name;
  for (const auto& [column, type, most, computed, digits] : columns) {
    facts->columns.push_back({column, type_named(type), most, computed, digits});
  }
  for (const std::string& column : primary_key) {
    if (facts->column(column) == nullptr)
      throw nb::value_error("a primary key's column is none of the table's");
  }
  facts->primary_key = std::move(primary_key);
  for (const auto& [column, table, to_column] : foreign_keys) {
    facts->foreign_keys.push_back({column, table, to_column});
  }
  tables.by_name[name] = std::move(facts);
}

struct ReadFooting {
  ReadRule::Footing footing;
};

// A rule, with the text that it was made of gone.
template <typename Rule>
std::unique_ptr<Rule> make(const std::string& sql, std::string_view dialect, const Tables& tables) {
  const TokenStream stream = tokenize_sql(sql, dialect_named(dialect));
  const Script script = scan_sql(stream);
  if (script.statements.size() != 1) throw nb::value_error("a rule is of one statement");
  return std::make_unique<Rule>(stream, script.statements.front(), tables.by_name);
}

std::pair<ReadFooting, nb::bytes> before(const ReadRule& rule, nb::handle parameters, bool may_witness) {
  DependencyList out;
  ReadFooting footing{rule.before(PythonParameters(parameters.ptr()), may_witness, out)};
  return {std::move(footing), pack(out.hashes)};
}

DependencyList list_after(const ReadRule& rule, const ReadFooting& footing, nb::handle parameters,
                          nb::list rows, std::optional<nb::list> witnesses, bool in_words) {
  DependencyList out{{}, in_words, {}};
  const PythonRows result(rows.ptr());
  const std::optional<PythonRows> witnessed =
      witnesses ? std::optional<PythonRows>(std::in_place, witnesses->ptr()) : std::nullopt;
  rule.after(footing.footing, PythonParameters(parameters.ptr()), result, witnessed ? &*witnessed : nullptr,
             out);
  return out;
}

std::vector<std::pair<std::uint64_t, std::string>> worded(DependencyList list) {
  std::vector<std::pair<std::uint64_t, std::string>> pairs;
  for (std::size_t n = 0; n < list.hashes.size(); ++n) {
    pairs.emplace_back(list.hashes[n], std::move(list.words[n]));
  }
  return pairs;
}

void register_read_rule(nb::module_& module) {
  nb::class_<ReadFooting>(module, "ReadFooting", "The rule that holds for each table of one read; opaque.")
      .def_prop_ro("needs_rows", [](const ReadFooting& self) { return self.footing.needs_rows; })
      .def_prop_ro("needs_witnesses", [](const ReadFooting& self) { return self.footing.needs_witnesses; })
      .def_prop_ro(
          "hints", [](const ReadFooting& self) { return pack(self.footing.hints); },
          "To be left for writers (packed): bands of these columns are asked for.");
  nb::class_<ReadRule>(module, "ReadRule", "What the answer to one SELECT rests on.")
      .def_static("of", &make<ReadRule>, "sql"_a, "dialect"_a, "tables"_a,
                  "Of a readable text of one statement.")
      .def("before", &before, "parameters"_a, "may_witness"_a,
           "What is known before the database is asked: the footing, and dependencies (packed).")
      .def(
          "after",
          [](const ReadRule& rule, const ReadFooting& footing, nb::handle parameters, nb::list rows,
             std::optional<nb::list> witnesses) {
            return pack(list_after(rule, footing, parameters, rows, std::move(witnesses), false).hashes);
          },
          "footing"_a, "parameters"_a, "rows"_a, "witnesses"_a.none(),
          nb::sig("def after(self, footing: ReadFooting, parameters: typing.Any, rows: list[typing.Any], "
                  "witnesses: list[typing.Any] | None) -> bytes"),
          "What the driver's rows add (packed).")
      .def_prop_ro("witness_sql", [](const ReadRule& rule) { return rule.witness_sql(); })
      .def_prop_ro("witness_parameters",
                   [](const ReadRule& rule) {
                     return std::pair(rule.first_witness_parameter(), rule.last_witness_parameter());
                   })
      .def(
          "words_before",
          [](const ReadRule& rule, nb::handle parameters, bool may_witness) {
            DependencyList out{{}, true, {}};
            static_cast<void>(rule.before(PythonParameters(parameters.ptr()), may_witness, out));
            return worded(std::move(out));
          },
          "parameters"_a, "may_witness"_a, "before()'s dependencies, each with its words.")
      .def(
          "words_after",
          [](const ReadRule& rule, const ReadFooting& footing, nb::handle parameters, nb::list rows,
             std::optional<nb::list> witnesses) {
            return worded(list_after(rule, footing, parameters, rows, std::move(witnesses), true));
          },
          "footing"_a, "parameters"_a, "rows"_a, "witnesses"_a.none(),
          nb::sig(
              "def words_after(self, footing: ReadFooting, parameters: typing.Any, rows: list[typing.Any], "
              "witnesses: list[typing.Any] | None) -> list[tuple[int, str]]"),
          "after()'s, likewise.");
}

void register_write_rule(nb::module_& module) {
  nb::class_<WriteRule>(module, "WriteRule", "What one INSERT, UPDATE or DELETE bumps of its table.")
      .def_static("of", &make<WriteRule>, "sql"_a, "dialect"_a, "tables"_a, "Of a text of one statement.")
      .def_prop_ro("is_exact", &WriteRule::is_exact, "Whether it can be anything but any and bulk.")
      .def_prop_ro("may_act", &WriteRule::may_act, "Whether foreign keys may act by it.")
      .def(
          "dependencies",
          [](const WriteRule& rule, nb::handle parameters, bool trusts_values, std::uint64_t hinted) {
            DependencyList out;
            rule.dependencies(PythonParameters(parameters.ptr()), trusts_values, hinted, out);
            return std::move(out.hashes);
          },
          "parameters"_a, "trusts_values"_a, "hinted"_a,
          "What executing it with these bumps; `hinted` has a bit for each of band_hints that was left.")
      .def_prop_ro(
          "band_hints", [](const WriteRule& rule) { return pack(rule.band_hints()); },
          "What readers leave who ask for bands (packed).")
      .def(
          "words",
          [](const WriteRule& rule, nb::handle parameters, bool trusts_values, std::uint64_t hinted) {
            DependencyList out{{}, true, {}};
            rule.dependencies(PythonParameters(parameters.ptr()), trusts_values, hinted, out);
            return worded(std::move(out));
          },
          "parameters"_a, "trusts_values"_a, "hinted"_a, "The same, each with its words.");
}

}  // namespace
}  // namespace cache_me::python

void register_dependency_rules(nb::module_& module) {
  using namespace cache_me::python;
  if (!init_statement_values()) throw nb::python_error();
  nb::class_<Tables>(module, "Tables", "What the catalog knows of tables, for the dependency rules.")
      .def(nb::init<>())
      .def("add", &add_table, "name"_a, "columns"_a, "primary_key"_a, "foreign_keys"_a,
           "Columns as (name, type, most characters, computed, digits of a decimal or -1), enforced foreign "
           "keys as (column, table, column).");
  module.attr("MOST_ROWS") = cache_me::kMostRows;
  register_read_rule(module);
  register_write_rule(module);
}
