// Reads SQL text and says, conservatively, what it does: the kind of each statement, the tables that it reads
// and writes, and whether its answer rests on those tables alone.
//
// Contract: what is not positively understood is `unknown`, or a select that is not readable. A readable
// select names every table that its answer rests on, and calls nothing that could change between two
// executions on the same data, parameters and session settings (time zone, search path, sql_mode … are part
// of the cache's key). A statement of a kind that writes names every table that it writes by itself; what
// triggers, foreign keys and functions do beyond that is the catalog's business. Text that the database would
// refuse may be read as anything.
//
// What the text can't show, and the caller has to know: views and functions behind names; parameters that
// hold PostgreSQL's clock words ('now', 'today' …); casts of stored text to dates; PostgreSQL's functional
// notation `t.f` for `f(t)`; user-defined operators and casts between listed types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cache_me/sql_lexer.hpp"

namespace cache_me {

enum class StatementKind : std::uint8_t {
  select,  // also VALUES and TABLE
  insert,  // also REPLACE
  update,
  delete_,
  merge,
  truncate,
  ddl,  // writes: the tables, where the text names them all; empty where it does not tell (DROP INDEX, VIEW
        // …)
  begin,
  commit,
  rollback,
  rollback_to_savepoint,
  savepoint,
  release,
  set,  // also USE, RESET, DISCARD, ATTACH, DETACH
  pragma,
  explain,         // of a select, or without ANALYZE of anything: nothing is written
  other_harmless,  // writes nothing and shapes no later answer
  unknown,
};

// The enumerator's name as Python sees it: "delete" for delete_.
const char* name_of(StatementKind kind) noexcept;

struct TableName {
  std::string schema;  // empty if the text names none
  std::string name;    // folded as the database compares names, see folded_name()

  bool operator==(const TableName&) const = default;
};

struct Statement {
  StatementKind kind = StatementKind::unknown;
  std::vector<TableName> reads;   // FROM, JOIN, USING, subqueries; each once; without CTEs
  std::vector<TableName> writes;  // each once; of an unknown statement not complete
  // Functions in lower case, "schema.name" if qualified, that are neither known to be deterministic nor known
  // to be harmless; each once. The catalog may know more of them.
  std::vector<std::string> functions;

  bool readable = false;  // one select whose answer rests on `reads` alone
  // Why it is not readable or is unknown, empty if readable; a code of kinds:
  //   text:      unfinished_text stray_byte ambiguous_escape executable_comment placeholder_in_text
  //   escaped_text
  //              unknown_placeholder unbalanced_parentheses too_deep too_many_tokens too_many_names
  //   select:    volatile_function session_function side_effect_function unknown_function clock_text
  //   unknown_type
  //              locking_read unknown_from_item table_function temporary_table table_sample user_variable
  //              cte_scope found_rows
  //   statement: not_a_select unknown_statement unknown_syntax
  std::string reason;
  std::string detail;  // the name or word that was met

  bool may_have_side_effects = false;  // calls a function known to write, lock or signal
  bool session_change = false;         // may shape later answers of this connection
  bool returning = false;
  bool locking_read = false;
  bool temporary = false;           // makes or drops a temporary table
  bool replace = false;             // REPLACE, INSERT OR REPLACE, UPDATE OR REPLACE: may delete other rows
  bool upsert = false;              // ON CONFLICT, ON DUPLICATE KEY, IGNORE: may write fewer rows, or others
  bool begin_with_options = false;  // BEGIN that sets isolation, access mode or a snapshot
  bool sets_transaction = false;    // SET TRANSACTION and its like
  std::string set_name;          // of SET and PRAGMA: the variable, lower case; "role", "use", "attach" …
  bool pragma_argument = false;  // PRAGMA name = value, PRAGMA name(value)
  std::uint32_t placeholders = 0;
  std::uint32_t begin_token = 0;  // this statement's tokens in the stream: [begin_token, end_token)
  std::uint32_t end_token = 0;
};

struct Script {
  std::vector<Statement> statements;  // empty for empty text
};

// Pure; safe in any thread; throws nothing but std::bad_alloc. Linear in the text.
Script scan_sql(std::string_view text, Dialect dialect);
// The same for text that is already cut.
Script scan_sql(const TokenStream& stream);

}  // namespace cache_me
