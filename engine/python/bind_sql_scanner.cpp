// cache_me/sql_scanner.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "bindings.hpp"
#include "cache_me/sql_scanner.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

Dialect dialect_of(std::string_view name) {
  if (name == "sqlite") return Dialect::sqlite;
  if (name == "postgresql") return Dialect::postgresql;
  if (name == "mysql") return Dialect::mysql;
  throw nb::value_error("the dialects are 'sqlite', 'postgresql' and 'mysql'");
}

std::vector<std::pair<std::string, std::string>> pairs_of(const std::vector<TableName>& tables) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const TableName& table : tables) pairs.emplace_back(table.schema, table.name);
  return pairs;
}

}  // namespace
}  // namespace cache_me::python

void register_sql_scanner(nb::module_& module) {
  using namespace cache_me;
  using namespace cache_me::python;

  nb::class_<Statement>(module, "Statement", "What one SQL statement does.")
      .def_prop_ro("kind", [](const Statement& statement) { return std::string(name_of(statement.kind)); })
      .def_prop_ro(
          "reads", [](const Statement& statement) { return pairs_of(statement.reads); },
          "(schema or '', name) of each table read")
      .def_prop_ro(
          "writes", [](const Statement& statement) { return pairs_of(statement.writes); },
          "(schema or '', name) of each table written")
      .def_ro("readable", &Statement::readable)
      .def_ro("reason", &Statement::reason)
      .def_ro("detail", &Statement::detail)
      .def_ro("functions", &Statement::functions)
      .def_ro("session_change", &Statement::session_change)
      .def_ro("temporary", &Statement::temporary)
      .def_ro("returning", &Statement::returning)
      .def_ro("locking_read", &Statement::locking_read)
      .def_ro("begin_with_options", &Statement::begin_with_options)
      .def_ro("sets_transaction", &Statement::sets_transaction)
      .def_ro("set_name", &Statement::set_name)
      .def_ro("placeholders", &Statement::placeholders);

  module.def(
      "scan",
      [](std::string_view sql, std::string_view dialect) { return scan_sql(sql, dialect_of(dialect)); },
      "sql"_a, "dialect"_a, "The statements of a text; one that can't be read is of the kind 'unknown'.");
}
