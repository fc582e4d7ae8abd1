#include "cache_me/sql_scanner.hpp"

#include <algorithm>
#include <span>

#include "sql_query_reader.hpp"

namespace cache_me {
namespace {

using Tokens = std::span<const SqlToken>;

template <std::size_t size>
bool is_one_of(const SqlToken& token, const std::string_view (&words)[size]) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view word) { return token.is_word(word); });
}

bool has_word(Tokens tokens, std::string_view word) {
  return std::any_of(tokens.begin(), tokens.end(),
                     [&](const SqlToken& token) { return token.is_word(word); });
}

const SqlToken& token_at(Tokens tokens, std::size_t i) {
  static const SqlToken kEnd{SqlTokenKind::operation, {}};
  return i < tokens.size() ? tokens[i] : kEnd;
}

constexpr std::string_view kQueries[] = {"SELECT",  "WITH",   "VALUES", "INSERT",
                                         "REPLACE", "UPDATE", "DELETE", "MERGE"};
constexpr std::string_view kDdl[] = {"CREATE",  "ALTER",   "DROP",    "RENAME",   "COMMENT",
                                     "GRANT",   "REVOKE",  "REINDEX", "REASSIGN", "IMPORT",
                                     "CLUSTER", "REFRESH", "SECURITY"};
// ANALYZE and VACUUM gather and tidy, LISTEN and NOTIFY carry messages, FETCH reads on, CHECKPOINT writes
// what was committed: none of them changes a row that a SELECT gives.
constexpr std::string_view kHarmless[] = {"ANALYZE",  "VACUUM", "SHOW",  "DESCRIBE", "DESC",      "LISTEN",
                                          "UNLISTEN", "NOTIFY", "FETCH", "CLOSE",    "CHECKPOINT"};
constexpr std::string_view kSessionWords[] = {"RESET", "DISCARD", "USE", "ATTACH", "DETACH"};

// Settings that decide how long or with how much memory a statement runs, and never what it answers.
constexpr std::string_view kTuningSettings[] = {"STATEMENT_TIMEOUT",
                                                "LOCK_TIMEOUT",
                                                "IDLE_IN_TRANSACTION_SESSION_TIMEOUT",
                                                "IDLE_SESSION_TIMEOUT",
                                                "CLIENT_MIN_MESSAGES",
                                                "APPLICATION_NAME",
                                                "WORK_MEM",
                                                "MAINTENANCE_WORK_MEM"};

// Pragmas that only read or tune, with or without an argument. Foreign keys may be switched off: their
// actions in the database then count though they don't happen.
constexpr std::string_view kTuningPragmas[] = {
    "FOREIGN_KEYS",   "DEFER_FOREIGN_KEYS", "FOREIGN_KEY_CHECK", "FOREIGN_KEY_LIST", "TABLE_INFO",
    "TABLE_XINFO",    "TABLE_LIST",         "INDEX_LIST",        "INDEX_INFO",       "INDEX_XINFO",
    "JOURNAL_MODE",   "JOURNAL_SIZE_LIMIT", "SYNCHRONOUS",       "CACHE_SIZE",       "BUSY_TIMEOUT",
    "WAL_CHECKPOINT", "WAL_AUTOCHECKPOINT", "INTEGRITY_CHECK",   "QUICK_CHECK",      "OPTIMIZE",
    "MMAP_SIZE",      "TEMP_STORE",         "PAGE_SIZE",         "PAGE_COUNT",       "FREELIST_COUNT",
    "DATABASE_LIST",  "COLLATION_LIST",     "COMPILE_OPTIONS",   "FUNCTION_LIST",    "ANALYSIS_LIMIT",
    "AUTO_VACUUM",    "SECURE_DELETE"};
constexpr std::string_view kReadOnlyPragmas[] = {"USER_VERSION",      "SCHEMA_VERSION", "ENCODING",
                                                 "APPLICATION_ID",    "DATA_VERSION",   "READ_UNCOMMITTED",
                                                 "RECURSIVE_TRIGGERS"};
constexpr std::string_view kSessionPragmas[] = {
    "READ_UNCOMMITTED", "RECURSIVE_TRIGGERS", "CASE_SENSITIVE_LIKE",      "LEGACY_ALTER_TABLE",
    "QUERY_ONLY",       "TRUSTED_SCHEMA",     "REVERSE_UNORDERED_SELECTS"};

class StatementReader {
 public:
  StatementReader(Tokens tokens, Dialect dialect) : tokens_(tokens), dialect_(dialect) {}

  Statement read() {
    if (!dispatch()) {
      out_ = Statement();
      out_.reason = "not_understood";
    }
    if (!out_.readable && out_.reason.empty()) out_.reason = "not_a_select";
    // A write inside of a CTE is one of the statement.
    if (out_.kind == StatementKind::select && !out_.writes.empty()) out_.kind = StatementKind::update;
    return std::move(out_);
  }

 private:
  const SqlToken& token(std::size_t i) const { return token_at(tokens_, i); }

  // Sets the statement's kind; false if it isn't understood.
  bool dispatch() {
    const SqlToken& first = token(0);
    if (first.is('(') || is_one_of(first, kQueries)) {
      return SqlQueryReader(tokens_, dialect_, out_).read(0);
    }
    if (is_one_of(first, kDdl)) return read_ddl();
    if (first.is_word("TRUNCATE")) return read_truncate();
    if (first.is_word("EXPLAIN")) return read_explain();
    if (first.is_word("SET")) return read_set();
    if (first.is_word("PRAGMA")) return read_pragma();
    if (is_one_of(first, kSessionWords)) {
      out_.kind = StatementKind::set;
      out_.session_change = true;
      return true;
    }
    if (is_one_of(first, kHarmless)) {
      out_.kind = StatementKind::other_harmless;
      return true;
    }
    if (first.is_word("LOCK") && dialect_ == Dialect::postgresql) {
      out_.kind = StatementKind::other_harmless;
      return true;
    }
    return read_transaction_control();
  }

  bool read_transaction_control() {
    const SqlToken& first = token(0);
    const bool plain = tokens_.size() == 1 ||
                       (tokens_.size() == 2 && (token(1).is_word("TRANSACTION") || token(1).is_word("WORK")));
    if (first.is_word("BEGIN") || (first.is_word("START") && token(1).is_word("TRANSACTION"))) {
      out_.kind = StatementKind::begin;
      out_.begin_with_options = !plain && !is_sqlite_lock_word();
      return true;
    }
    if (first.is_word("COMMIT") || first.is_word("END")) {
      out_.kind = StatementKind::commit;
      return plain;  // AND CHAIN, PREPARED: unknown
    }
    if (first.is_word("ROLLBACK") || first.is_word("ABORT")) {
      out_.kind = has_word(tokens_, "TO") ? StatementKind::rollback_to_savepoint : StatementKind::rollback;
      return plain || out_.kind == StatementKind::rollback_to_savepoint;
    }
    if (first.is_word("SAVEPOINT")) {
      out_.kind = StatementKind::savepoint;
      return true;
    }
    if (first.is_word("RELEASE")) {
      out_.kind = StatementKind::release;
      return true;
    }
    return false;
  }

  bool is_sqlite_lock_word() const {
    if (dialect_ != Dialect::sqlite) return false;
    const SqlToken& word = token(1);
    return (word.is_word("DEFERRED") || word.is_word("IMMEDIATE") || word.is_word("EXCLUSIVE")) &&
           (tokens_.size() == 2 || (tokens_.size() == 3 && token(2).is_word("TRANSACTION")));
  }

  bool read_ddl() {
    out_.kind = StatementKind::ddl;
    if (!token(0).is_word("CREATE")) return true;
    for (std::size_t i = 1; i < tokens_.size() && i < 6; ++i) {
      if (token(i).is_word("TEMP") || token(i).is_word("TEMPORARY") || token(i).is_word("UNLOGGED")) {
        out_.temporary = !token(i).is_word("UNLOGGED");
      }
      const bool schema = token(i + 1).is('.');
      const std::string name =
          token(i).kind == SqlTokenKind::punctuation ? "" : identifier_name(token(i), dialect_);
      if (schema && (name == "temp" || name == "pg_temp")) out_.temporary = true;
      if (token(i).is('(')) break;
    }
    out_.session_change = out_.temporary;
    return true;
  }

  bool read_truncate() {
    out_.kind = StatementKind::truncate;
    std::size_t i = token(1).is_word("TABLE") ? 2 : 1;
    while (true) {
      if (token(i).is_word("ONLY")) ++i;
      TableName table;
      for (;; ++i) {
        const SqlToken& part = token(i);
        if (part.kind != SqlTokenKind::word && part.kind != SqlTokenKind::quoted_identifier) return false;
        table.schema = table.name;
        table.name = identifier_name(part, dialect_);
        if (!token(++i).is('.')) break;
      }
      out_.writes.push_back(std::move(table));
      if (token(i).kind == SqlTokenKind::operation && token(i).text == "*") ++i;
      if (!token(i).is(',')) break;
      ++i;
    }
    // CASCADE empties tables that aren't named.
    return !has_word(tokens_.subspan(std::min(i, tokens_.size())), "CASCADE");
  }

  bool read_explain() {
    bool executes = false;
    std::size_t i = 1;
    while (i < tokens_.size() && !is_one_of(token(i), kQueries)) {
      executes = executes || token(i).is_word("ANALYZE") || token(i).is_word("ANALYSE");
      ++i;
    }
    Statement inner = StatementReader(tokens_.subspan(i), dialect_).read();
    if (i >= tokens_.size() || inner.kind == StatementKind::unknown) {
      out_.kind = StatementKind::explain;
      return !executes;
    }
    if (executes && inner.kind != StatementKind::select) {
      out_ = std::move(inner);
      return true;
    }
    if (executes) {
      out_.functions = std::move(inner.functions);
      out_.session_change = inner.session_change;
    }
    out_.kind = StatementKind::explain;
    return true;
  }

  bool read_set() {
    out_.kind = StatementKind::set;
    std::size_t i = 1;
    const bool session = token(i).is_word("SESSION");
    if (session || token(i).is_word("LOCAL") || token(i).is_word("GLOBAL")) ++i;
    if (token(i).is_word("CONSTRAINTS")) {
      out_.kind = StatementKind::other_harmless;
      return true;
    }
    if (token(i).is_word("TRANSACTION") || token(i).is_word("CHARACTERISTICS")) {
      out_.sets_transaction = true;
      out_.session_change = session;
      return true;
    }
    out_.set_name = ascii_lower(token(i).text);
    out_.session_change = dialect_ != Dialect::postgresql || !is_one_of(token(i), kTuningSettings);
    return true;
  }

  bool read_pragma() {
    out_.kind = StatementKind::pragma;
    std::size_t i = 1;
    if (token(i + 1).is('.')) i += 2;
    const SqlToken& name = token(i);
    const bool argument = tokens_.size() > i + 1;
    out_.set_name = ascii_lower(name.text);
    if (is_one_of(name, kTuningPragmas)) return true;
    if (!argument) return is_one_of(name, kReadOnlyPragmas);
    out_.session_change = is_one_of(name, kSessionPragmas);
    return out_.session_change;
  }

  const Tokens tokens_;
  const Dialect dialect_;
  Statement out_;
};

}  // namespace

std::string_view name_of(StatementKind kind) noexcept {
  switch (kind) {
    case StatementKind::select:
      return "select";
    case StatementKind::insert:
      return "insert";
    case StatementKind::update:
      return "update";
    case StatementKind::delete_:
      return "delete";
    case StatementKind::merge:
      return "merge";
    case StatementKind::truncate:
      return "truncate";
    case StatementKind::ddl:
      return "ddl";
    case StatementKind::begin:
      return "begin";
    case StatementKind::commit:
      return "commit";
    case StatementKind::rollback:
      return "rollback";
    case StatementKind::rollback_to_savepoint:
      return "rollback_to_savepoint";
    case StatementKind::savepoint:
      return "savepoint";
    case StatementKind::release:
      return "release";
    case StatementKind::set:
      return "set";
    case StatementKind::pragma:
      return "pragma";
    case StatementKind::explain:
      return "explain";
    case StatementKind::other_harmless:
      return "other_harmless";
    case StatementKind::unknown:
      return "unknown";
  }
  return "unknown";
}

std::vector<Statement> scan_sql(std::string_view sql, Dialect dialect) {
  std::vector<Statement> statements;
  std::vector<SqlToken> tokens;
  if (!lex_sql(sql, dialect, tokens)) {
    Statement unreadable;
    unreadable.reason = "unreadable_text";
    statements.push_back(std::move(unreadable));
    return statements;
  }
  const Tokens all(tokens);
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= all.size(); ++i) {
    if (i < all.size() && !all[i].is(';')) continue;
    if (i > begin) statements.push_back(StatementReader(all.subspan(begin, i - begin), dialect).read());
    begin = i + 1;
  }
  return statements;
}

}  // namespace cache_me
