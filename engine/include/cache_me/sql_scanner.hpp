// What a SQL text does: the kind of each statement, the tables it reads and writes, and whether its answer
// may be cached.
//
// The scanner is conservative. A statement is `readable` only if all of it was understood: every FROM and
// JOIN item is a table by name, a CTE or a subquery, and every function is known to depend on its arguments
// alone. What it can't read or place is `unknown`, and its user must take it for a write to everything. It
// runs in linear time with bounded recursion on any input. Pure; safe in any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cache_me/sql_lexer.hpp"

namespace cache_me {

enum class StatementKind : std::uint8_t {
  select,
  insert,
  update,
  delete_,
  merge,
  truncate,
  ddl,
  begin,
  commit,
  rollback,
  rollback_to_savepoint,
  savepoint,
  release,
  set,
  pragma,
  explain,
  other_harmless,  // changes no rows and nothing of the session: SHOW, LISTEN, VACUUM, SET CONSTRAINTS …
  unknown,
};

// "select", "insert", … ("delete" for delete_).
std::string_view name_of(StatementKind kind) noexcept;

struct TableName {
  std::string schema;  // "" if none was named
  std::string name;    // both folded as identifier_name() does
  bool operator==(const TableName&) const = default;
};

struct Statement {
  StatementKind kind = StatementKind::unknown;
  std::vector<TableName> reads;   // named in FROM, JOIN and USING at any depth, without CTEs
  std::vector<TableName> writes;  // of a known kind; empty for ddl
  bool readable = false;
  std::string reason;                  // why it isn't readable: a short code such as "volatile_function"
  std::string detail;                  // the name behind the reason, if there is one
  std::vector<std::string> functions;  // called, and not known to be harmless; lower case
  bool session_change = false;         // later answers of the session may be others
  bool temporary = false;              // creates a temporary object
  bool returning = false;              // a write that gives rows
  bool locking_read = false;
  bool begin_with_options = false;  // an isolation level, READ ONLY or the like
  bool sets_transaction = false;    // SET TRANSACTION and its like
  std::string set_name;             // the variable or pragma, lower case
  std::size_t placeholders = 0;
};

// The statements of `sql`, in order; empty ones are left out. A text that can't be told apart is one unknown
// statement.
std::vector<Statement> scan_sql(std::string_view sql, Dialect dialect);

}  // namespace cache_me
