// cache_me/sql_scanner.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "bindings.hpp"
#include "cache_me/sql_scanner.hpp"
#include "dialect.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

Names pairs_of(const std::vector<TableName>& tables) {
  Names names;
  names.reserve(tables.size());
  for (const TableName& table : tables) names.emplace_back(table.schema, table.name);
  return names;
}

}  // namespace
}  // namespace cache_me::python

void register_sql_scanner(nb::module_& module) {
  using namespace cache_me;
  using namespace cache_me::python;
  nb::class_<Statement>(module, "Statement", "What the scanner says of one SQL statement; read only.")
      .def_prop_ro("kind", [](const Statement& statement) { return name_of(statement.kind); })
      .def_prop_ro("reads", [](const Statement& statement) { return pairs_of(statement.reads); })
      .def_prop_ro("writes", [](const Statement& statement) { return pairs_of(statement.writes); })
      .def_ro("functions", &Statement::functions)
      .def_ro("readable", &Statement::readable)
      .def_ro("reason", &Statement::reason)
      .def_ro("detail", &Statement::detail)
      .def_ro("may_have_side_effects", &Statement::may_have_side_effects)
      .def_ro("session_change", &Statement::session_change)
      .def_ro("returning", &Statement::returning)
      .def_ro("locking_read", &Statement::locking_read)
      .def_ro("temporary", &Statement::temporary)
      .def_ro("replace", &Statement::replace)
      .def_ro("upsert", &Statement::upsert)
      .def_ro("begin_with_options", &Statement::begin_with_options)
      .def_ro("sets_transaction", &Statement::sets_transaction)
      .def_ro("set_name", &Statement::set_name)
      .def_ro("pragma_argument", &Statement::pragma_argument)
      .def_ro("placeholders", &Statement::placeholders);
  module.def(
      "scan",
      [](std::string_view sql, std::string_view dialect) {
        return scan_sql(sql, dialect_named(dialect)).statements;
      },
      "sql"_a, "dialect"_a,
      "The statements of an SQL text in the dialect 'sqlite', 'postgresql' or 'mysql' (MariaDB too).");
}
