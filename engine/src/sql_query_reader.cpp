#include "sql_query_reader.hpp"

#include <algorithm>

#include "cache_me/sql_functions.hpp"

namespace cache_me {
namespace {

constexpr int kMaxDepthOfParentheses = 200;

using Words = std::span<const std::string_view>;

bool is_one_of(const SqlToken& token, Words words) {
  return token.kind == SqlTokenKind::word &&
         std::any_of(words.begin(), words.end(), [&](std::string_view word) { return token.is_word(word); });
}

// Words that may stand before "(" without calling it, and that are no alias either.
constexpr std::string_view kNoFunctions[] = {
    "SELECT",    "FROM",         "WHERE",    "AND",       "OR",       "NOT",       "IN",      "IS",
    "ANY",       "ALL",          "SOME",     "EXISTS",    "VALUES",   "AS",        "ON",      "USING",
    "HAVING",    "BY",           "THEN",     "ELSE",      "WHEN",     "CASE",      "BETWEEN", "LIKE",
    "ILIKE",     "GLOB",         "RLIKE",    "SIMILAR",   "TO",       "ESCAPE",    "UNION",   "EXCEPT",
    "MINUS",     "DISTINCT",     "JOIN",     "INTERSECT", "OFFSET",   "LIMIT",     "FETCH",   "OVER",
    "FILTER",    "GROUP",        "SETS",     "LATERAL",   "INTO",     "RETURNING", "SET",     "ORDER",
    "PARTITION", "RANGE",        "ROWS",     "GROUPS",    "COLLATE",  "ARRAY",     "DIV",     "XOR",
    "BINARY",    "KEY",          "CONFLICT", "DO",        "MATCH",    "REGEXP",    "END",     "FIRST",
    "NEXT",      "DEFAULT",      "DESC",     "ASC",       "ISNULL",   "NOTNULL",   "ONLY",    "WITH",
    "NULL",      "MATERIALIZED", "NULLS",    "WINDOW",    "RECURSIVE"};

// Words that end a FROM clause.
constexpr std::string_view kEndOfFrom[] = {
    "WHERE",  "GROUP", "HAVING", "ORDER", "LIMIT",  "OFFSET", "FETCH",     "WINDOW", "UNION",     "INTERSECT",
    "EXCEPT", "MINUS", "FOR",    "SET",   "SELECT", "VALUES", "RETURNING", "LOCK",   "PROCEDURE", "WHEN"};

// Words that follow a FROM item and are no alias of it.
constexpr std::string_view kNoAlias[] = {
    "ON",        "USING",   "JOIN",   "INNER",  "LEFT",    "RIGHT",         "FULL",
    "CROSS",     "NATURAL", "OUTER",  "WHERE",  "GROUP",   "ORDER",         "HAVING",
    "LIMIT",     "OFFSET",  "SET",    "UNION",  "EXCEPT",  "INTERSECT",     "MINUS",
    "FETCH",     "FOR",     "WINDOW", "AS",     "INDEXED", "NOT",           "TABLESAMPLE",
    "USE",       "FORCE",   "LOCK",   "WHEN",   "IGNORE",  "STRAIGHT_JOIN", "RETURNING",
    "PARTITION", "DEFAULT", "VALUES", "SELECT", "WITH",    "ORDINALITY",    "PROCEDURE"};

// Functions with keywords between their arguments.
constexpr std::string_view kFromInside[] = {"extract", "substring", "substr", "trim", "overlay", "position"};

constexpr std::string_view kClockWords[] = {"now", "today", "tomorrow", "yesterday"};

bool names_the_clock(std::string_view literal) {
  const std::string lower = ascii_lower(literal);
  return std::any_of(std::begin(kClockWords), std::end(kClockWords),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace

bool SqlQueryReader::read(std::size_t begin) {
  at_ = begin;
  out_.readable = true;
  if (!read_statement(nullptr) || !done()) return false;
  if (out_.kind != StatementKind::select) unreadable("not_a_select");
  if (!out_.writes.empty()) unreadable("not_a_select");
  return true;
}

bool SqlQueryReader::read_statement(const Scope* outer) {
  if (++depth_ > kMaxDepthOfParentheses) return false;
  Scope scope{{}, outer};
  if (skip_word("WITH") && !read_with(scope)) return false;
  const bool understood = read_verb(scope);
  --depth_;
  return understood;
}

// [RECURSIVE] name [(columns)] AS [NOT] [MATERIALIZED] (statement), …
bool SqlQueryReader::read_with(Scope& scope) {
  const bool recursive = skip_word("RECURSIVE");
  do {
    if (!is_name(token())) return false;
    const std::string name = identifier_name(token(), dialect_);
    ++at_;
    // Without RECURSIVE the name hides no table inside its own body.
    if (recursive) scope.ctes.push_back(name);
    if (token().is('(') && !read_parenthesis(&scope, {})) return false;
    if (!skip_word("AS")) return false;
    skip_word("NOT");
    skip_word("MATERIALIZED");
    if (!token().is('(')) return false;
    ++at_;
    // A write in here is one of the whole statement.
    const StatementKind kind = out_.kind;
    if (!read_statement(&scope) || !token().is(')')) return false;
    ++at_;
    out_.kind = kind;
    if (!recursive) scope.ctes.push_back(name);
    if (ahead_is("SEARCH") || ahead_is("CYCLE")) return false;
    if (!token().is(',')) return true;
    ++at_;
  } while (true);
}

bool SqlQueryReader::read_verb(Scope& scope) {
  if (ahead_is("SELECT") || ahead_is("VALUES") || token().is('(')) {
    out_.kind = StatementKind::select;
    if (ahead_is("VALUES") && depth_ == 1) unreadable("values");
    return read_region(Context::query, &scope, {});
  }
  if (ahead_is("INSERT") || ahead_is("REPLACE")) return read_insert(&scope);
  if (ahead_is("UPDATE")) return read_update(&scope);
  if (ahead_is("DELETE")) return read_delete(&scope);
  if (ahead_is("MERGE")) return read_merge(&scope);
  return false;
}

bool SqlQueryReader::read_insert(const Scope* scope) {
  ++at_;
  while (!ahead_is("INTO")) {
    // OR IGNORE, LOW_PRIORITY … ; MySQL lets INTO be left out, Django doesn't.
    if (token().kind != SqlTokenKind::word) return false;
    ++at_;
  }
  ++at_;
  TableName table;
  if (!read_table_name(table)) return false;
  note_write(std::move(table), StatementKind::insert);
  if (skip_word("AS")) ++at_;
  return read_region(Context::query, scope, {});
}

bool SqlQueryReader::read_update(const Scope* scope) {
  ++at_;
  if (skip_word("OR")) ++at_;
  while (skip_word("ONLY") || skip_word("LOW_PRIORITY") || skip_word("IGNORE")) {
  }
  if (dialect_ == Dialect::mysql) {
    // Any of the joined tables may be written.
    from_is_written_ = true;
    out_.kind = StatementKind::update;
    const bool understood = read_region(Context::from_group, scope, {});
    from_is_written_ = false;
    return understood && ahead_is("SET") && read_region(Context::query, scope, {});
  }
  TableName table;
  if (!read_table_name(table)) return false;
  if (token().kind == SqlTokenKind::operation && token().text == "*") ++at_;
  note_write(std::move(table), StatementKind::update);
  skip_alias();
  return ahead_is("SET") && read_region(Context::query, scope, {});
}

bool SqlQueryReader::read_delete(const Scope* scope) {
  ++at_;
  out_.kind = StatementKind::delete_;
  if (dialect_ == Dialect::mysql) {
    // DELETE a, b FROM … and DELETE FROM a USING …: any of the named tables may be written.
    from_is_written_ = true;
    while (!ahead_is("FROM")) {
      if (done()) return false;
      ++at_;
    }
    const bool understood = read_region(Context::query, scope, {});
    from_is_written_ = false;
    return understood;
  }
  if (!skip_word("FROM")) return false;
  skip_word("ONLY");
  TableName table;
  if (!read_table_name(table)) return false;
  if (token().kind == SqlTokenKind::operation && token().text == "*") ++at_;
  note_write(std::move(table), StatementKind::delete_);
  skip_alias();
  return read_region(Context::query, scope, {});
}

bool SqlQueryReader::read_merge(const Scope* scope) {
  ++at_;
  skip_word("INTO");
  skip_word("ONLY");
  TableName table;
  if (!read_table_name(table)) return false;
  note_write(std::move(table), StatementKind::merge);
  skip_alias();
  return ahead_is("USING") && read_region(Context::query, scope, {});
}

// Everything up to the end of this parenthesis or of the statement.
bool SqlQueryReader::read_region(Context context, const Scope* scope, std::string_view function) {
  bool in_from = context == Context::from_group;
  bool item_next = in_from;
  while (!done()) {
    if (token().is(')')) return true;
    if (context == Context::from_group && depth_ == 1 && ahead_is("SET")) return true;  // MySQL's UPDATE
    if (item_next) {
      item_next = false;
      if (!read_from_item(scope)) return false;
      continue;
    }
    const SqlToken& current = token();
    if (current.kind == SqlTokenKind::word) {
      const bool from = current.is_word("FROM");
      const bool using_tables = current.is_word("USING") && context == Context::query && !in_from &&
                                (out_.kind == StatementKind::delete_ || out_.kind == StatementKind::merge);
      const bool join = current.is_word("JOIN") || current.is_word("STRAIGHT_JOIN");
      if (from && before().is_word("DISTINCT") && (before(2).is_word("IS") || before(2).is_word("NOT"))) {
        ++at_;  // IS [NOT] DISTINCT FROM
        continue;
      }
      if (from && context == Context::expression) {
        if (std::find(std::begin(kFromInside), std::end(kFromInside), function) == std::end(kFromInside)) {
          return false;
        }
        ++at_;
        continue;
      }
      if (from || using_tables || join) {
        if (join && !in_from) return false;
        in_from = true;
        item_next = true;
        ++at_;
        continue;
      }
      if (!read_word(context, in_from, scope)) return false;
      continue;
    }
    if (current.is(',')) {
      item_next = in_from;
      ++at_;
      continue;
    }
    if (current.is('(')) {
      if (!read_parenthesis(scope, {})) return false;
      continue;
    }
    if (current.is(']') || current.is('[')) {
      ++at_;
      continue;
    }
    if (current.kind == SqlTokenKind::placeholder) ++out_.placeholders;
    if (current.kind == SqlTokenKind::text) {
      if (dialect_ == Dialect::postgresql && names_the_clock(current.text)) unreadable("clock_literal");
    }
    if (current.kind == SqlTokenKind::operation && dialect_ == Dialect::mysql &&
        current.text.find('@') != std::string_view::npos) {
      unreadable("user_variable");
    }
    if (current.kind == SqlTokenKind::quoted_identifier) {
      if (dialect_ == Dialect::mysql && current.text.front() == '"') unreadable("double_quotes");
      if (token(1).is('(')) {
        call(current);
        ++at_;
        if (!read_parenthesis(scope, "?")) return false;
        continue;
      }
    }
    ++at_;
  }
  return depth_ == 1;
}

bool SqlQueryReader::read_word(Context context, bool& in_from, const Scope* scope) {
  const SqlToken& word = token();
  const bool after_dot = before().is('.');
  if (token(1).is('(') && !is_one_of(word, kNoFunctions)) {
    call(word);
    const std::string name = ascii_lower(word.text);
    ++at_;
    return read_parenthesis(scope, name);
  }
  if (!after_dot && is_volatile_word(ascii_lower(word.text), dialect_)) {
    unreadable("volatile_function", word.text);
  }
  if (context == Context::query && !after_dot) {
    if (word.is_word("INTO") && out_.kind == StatementKind::select) {
      out_.kind = StatementKind::ddl;  // SELECT … INTO new_table, INTO OUTFILE
      unreadable("select_into");
    }
    if (word.is_word("FOR") || word.is_word("LOCK")) {
      out_.locking_read = true;
      unreadable("locking_read");
    }
    if (word.is_word("RETURNING")) out_.returning = true;
    if (is_one_of(word, kEndOfFrom)) in_from = false;
    // "TABLE t" stands for "SELECT * FROM t".
    if (word.is_word("TABLE")) return false;
  }
  if (word.is_word("TABLESAMPLE")) unreadable("table_sample");
  // "x IN t" reads the table t, or calls a table function.
  if (dialect_ == Dialect::sqlite && word.is_word("IN") && !after_dot && is_name(token(1))) return false;
  if (word.is_word("OPERATOR") && token(1).is('(')) return false;
  ++at_;
  return true;
}

bool SqlQueryReader::read_parenthesis(const Scope* scope, std::string_view function) {
  ++at_;  // the opening one
  bool understood = false;
  if (ahead_is("SELECT") || ahead_is("WITH") || (ahead_is("VALUES") && !token(1).is(')'))) {
    const StatementKind kind = out_.kind;
    understood = read_statement(scope);
    out_.kind = kind;
  } else {
    // "((SELECT …) UNION (SELECT …))" is a query as well.
    std::size_t ahead = 0;
    while (token(ahead).is('(')) ++ahead;
    const bool query = ahead > 0 && ahead < 64 && function.empty() && token(ahead).is_word("SELECT");
    if (++depth_ > kMaxDepthOfParentheses) return false;
    understood = read_region(query ? Context::query : Context::expression, scope, function);
    --depth_;
  }
  if (!understood || !token().is(')')) return false;
  ++at_;
  return true;
}

bool SqlQueryReader::read_from_item(const Scope* scope) {
  const bool lateral = skip_word("LATERAL");
  if (skip_word("ONLY") && token().is('(')) return false;
  if (token().is('(')) {
    std::size_t ahead = 1;
    while (token(ahead).is('(')) ++ahead;
    const bool query =
        token(ahead).is_word("SELECT") || token(ahead).is_word("WITH") || token(ahead).is_word("VALUES");
    if (query) {
      if (!read_parenthesis(scope, {})) return false;
    } else {
      if (++depth_ > kMaxDepthOfParentheses) return false;
      ++at_;
      if (!read_region(Context::from_group, scope, {}) || !token().is(')')) return false;
      --depth_;
      ++at_;
    }
    skip_alias();
    return true;
  }
  if (lateral) {
    unreadable("table_function");
    return is_name(token());
  }
  TableName table;
  if (!read_table_name(table)) return false;
  if (token().is('(')) {
    // unnest(…), json_each(…): understood as a call, not as a table.
    unreadable("table_function", table.name);
    --at_;
    call(token());
    ++at_;
    if (!read_parenthesis(scope, "?")) return false;
    skip_word("WITH");
    skip_word("ORDINALITY");
    skip_alias();
    return true;
  }
  if (token().kind == SqlTokenKind::operation && token().text == "*") ++at_;
  if (from_is_written_ && depth_ == 1) out_.writes.push_back(table);
  if (!is_cte(table, scope)) out_.reads.push_back(std::move(table));
  skip_alias();
  return true;
}

bool SqlQueryReader::read_table_name(TableName& table) {
  for (int part = 0;; ++part) {
    if (part == 3 || !is_name(token())) return false;
    if (dialect_ == Dialect::mysql && token().text.front() == '"') return false;
    if (part == 0 && is_one_of(token(), kEndOfFrom)) return false;
    table.schema = part == 0              ? std::string()
                   : table.schema.empty() ? table.name
                                          : table.schema + "." + table.name;
    table.name = identifier_name(token(), dialect_);
    ++at_;
    if (!token().is('.')) return true;
    ++at_;
  }
}

// [AS] alias [(columns)]
void SqlQueryReader::skip_alias() {
  const bool as = skip_word("AS");
  if (is_name(token()) && (as || !is_one_of(token(), kNoAlias)))
    ++at_;
  else if (token().kind == SqlTokenKind::text)
    ++at_;
  if ((is_name(before()) || as) && token().is('(')) {
    std::size_t ahead = 1;
    while (is_name(token(ahead)) || token(ahead).is(',')) ++ahead;
    if (token(ahead).is(')')) at_ += ahead + 1;
  }
}

void SqlQueryReader::call(const SqlToken& name) {
  const std::string lower = ascii_lower(identifier_name(name, dialect_));
  const bool qualified = at_ > 0 && before().is('.');
  const bool own_schema = qualified && !(at_ > 1 && before(2).is_word("PG_CATALOG"));
  switch (own_schema ? FunctionNature::unknown : nature_of_function(lower, dialect_)) {
    case FunctionNature::deterministic:
      return;
    case FunctionNature::volatile_:
      return unreadable("volatile_function", lower);
    case FunctionNature::session:
      out_.session_change = true;
      return unreadable("session_function", lower);
    case FunctionNature::unknown:
      if (std::find(out_.functions.begin(), out_.functions.end(), lower) == out_.functions.end()) {
        out_.functions.push_back(lower);
      }
      return unreadable("unknown_function", lower);
  }
}

void SqlQueryReader::note_write(TableName table, StatementKind kind) {
  out_.writes.push_back(std::move(table));
  out_.kind = kind;
}

void SqlQueryReader::unreadable(std::string_view reason, std::string_view detail) {
  if (!out_.readable) return;  // the first reason stays
  out_.readable = false;
  out_.reason = reason;
  out_.detail = detail;
}

bool SqlQueryReader::is_cte(const TableName& table, const Scope* scope) const {
  if (!table.schema.empty()) return false;
  for (; scope != nullptr; scope = scope->outer) {
    if (std::find(scope->ctes.begin(), scope->ctes.end(), table.name) != scope->ctes.end()) return true;
  }
  return false;
}

}  // namespace cache_me
