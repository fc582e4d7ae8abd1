// Expressions: functions, subqueries, casts, and words that are more than names. Their grammar is not checked
// (the database does that); what is looked for is everything that can bring in a table or change between two
// executions.
#include <algorithm>

#include "sql_reader.hpp"

namespace cache_me {

using enum Keyword;

// The "(" at `open` with all that is in it; a subquery or an expression.
std::size_t StatementReader::group(std::size_t open, Context context) {
  const std::size_t close = token(open).match;
  if (starts_query(open + 1, close)) {
    query(open + 1, close);
  } else {
    expressions(open + 1, close, context);
  }
  return close + 1;
}

bool StatementReader::starts_query(std::size_t i, std::size_t end) const {
  switch (keyword(i, end)) {
    case kw_select:
    case kw_with:
      return true;
    case kw_values:
      return is_symbol(i + 1, end, '(') || is(i + 1, end, kw_row);
    case kw_table:
      return !sqlite() && is_name(i + 1, end);
    default:
      break;
  }
  if (!is_symbol(i, end, '(') || !starts_query(i + 1, token(i).match)) return false;
  const std::size_t next = token(i).match + 1;
  return next >= end || is_set_operator(next, end) || is(next, end, kw_order) || is(next, end, kw_limit) ||
         is(next, end, kw_offset) || is(next, end, kw_fetch) || is(next, end, kw_for);
}

void StatementReader::expressions(std::size_t i, std::size_t end, Context context) {
  while (!failed_ && i < end) i = expression_step(i, end, context);
}

std::size_t StatementReader::expression_step(std::size_t i, std::size_t end, Context context) {
  switch (token(i).kind) {
    case TokenKind::word:
    case TokenKind::quoted_name:
      return word_step(i, end, context);
    case TokenKind::text:
      text(i, end);
      return i + 1;
    case TokenKind::symbol:
      if (token(i).symbol == '(') return group(i, {});
      if (token(i).symbol == ':') return type_name(i + 1, end);
      if (token(i).symbol == '@' && mysql()) unreadable("user_variable", "@");
      return i + 1;
    default:
      return i + 1;
  }
}

void StatementReader::text(std::size_t i, std::size_t end) {
  const std::uint8_t flags = token(i).flags;
  if (flags & kClockWord) unreadable("clock_text", std::string(stream_.raw(i)));
  if (flags & kEscapedText) unreadable("escaped_text", "");
  if (flags & kPlaceholderInside) unreadable("placeholder_in_text", "");
  // 'no' 'w' on two lines is one text in PostgreSQL.
  if (postgresql() && i + 1 < end && token(i + 1).kind == TokenKind::text) unreadable("escaped_text", "");
}

// Words whose "(" opens a group, not a function's arguments. Only words that are reserved in the dialect, or
// whose neighbours rule a function out.
bool StatementReader::is_plain_group(Keyword keyword, std::size_t i) const {
  const Token* previous = i > 0 ? &token(i - 1) : nullptr;
  const bool after_group = previous && previous->kind == TokenKind::symbol && previous->symbol == ')';
  switch (keyword) {
    case kw_all:
    case kw_and:
    case kw_as:
    case kw_between:
    case kw_by:
    case kw_case:
    case kw_collate:
    case kw_distinct:
    case kw_else:
    case kw_exists:
    case kw_from:
    case kw_group:
    case kw_having:
    case kw_in:
    case kw_is:
    case kw_like:
    case kw_limit:
    case kw_not:
    case kw_on:
    case kw_or:
    case kw_order:
    case kw_returning:
    case kw_select:
    case kw_then:
    case kw_using:
    case kw_values:
    case kw_when:
    case kw_where:
      return true;
    case kw_any:
    case kw_some:
    case kw_row:
    case kw_interval:
      return !sqlite();
    case kw_array:
    case kw_ilike:
    case kw_offset:
    case kw_to:
      return postgresql();
    case kw_binary:
      return mysql();
    case kw_filter:
      return after_group;
    case kw_over:
      return after_group || (previous && previous->keyword == kw_nulls);
    case kw_sets:
      return previous && previous->keyword == kw_grouping;
    case kw_conflict:
      return previous && previous->keyword == kw_on;
    case kw_set:
      return previous && previous->keyword == kw_update;
    case kw_value:  // JSON_OBJECT('key' VALUE (…)): no function follows an expression
      return previous &&
             (previous->kind == TokenKind::text || previous->kind == TokenKind::placeholder ||
              previous->kind == TokenKind::number || previous->kind == TokenKind::quoted_name || after_group);
    default:
      return false;
  }
}

std::size_t StatementReader::word_step(std::size_t i, std::size_t end, Context context) {
  switch (token(i).keyword) {
    case kw_from:
      if (context.from_argument || is_distinct_from(i)) return i + 1;
      fail("unknown_syntax", i);
      return end;
    case kw_for:
      if (context.for_argument) return i + 1;
      fail("unknown_syntax", i);
      return end;
    case kw_using:
      // CONVERT(x USING utf8mb4), ORDER BY x USING >
      if (context.from_argument || (i + 1 < end && token(i + 1).kind == TokenKind::symbol)) return i + 1;
      fail("unknown_syntax", i);
      return end;
    case kw_with:
      if (is(i + 1, end, kw_rollup) || is(i + 1, end, kw_ties) || is(i + 1, end, kw_time) ||
          is(i + 1, end, kw_ordinality) || is(i + 1, end, kw_unique) || is(i + 1, end, kw_query) ||
          is_word(i + 1, end, "wrapper") || is_word(i + 1, end, "conditional") ||
          is_word(i + 1, end, "unconditional")) {
        return i + 2;
      }
      fail("unknown_syntax", i);
      return end;
    case kw_values:
      if (is_symbol(i + 1, end, '(')) return i + 1;
      fail("unknown_syntax", i);
      return end;
    case kw_straight_join:
      if (mysql() && is(i - 1, i, kw_select)) return i + 1;  // SELECT STRAIGHT_JOIN …
      [[fallthrough]];
    case kw_select:
    case kw_into:
    case kw_join:
    case kw_union:
      fail("unknown_syntax", i);
      return end;
    case kw_as:
      return as_label(i + 1, end, context);
    case kw_in:
      return sqlite() && is_name(i + 1, end) ? sqlite_in(i + 1, end) : i + 1;
    case kw_collate:
      return name_chain(i + 1, end).end;
    case kw_operator:
      if (!is_symbol(i + 1, end, '(')) break;
      unreadable("unknown_function", "operator");
      return token(i + 1).match + 1;
    case kw_rows:  // MariaDB's LIMIT ROWS EXAMINED: how many rows come back rests on the plan
      if (mysql() && is_word(i + 1, end, "examined")) unreadable("volatile_function", "examined");
      break;
    case kw_sql_calc_found_rows:
      if (mysql()) unreadable("found_rows", "sql_calc_found_rows");  // a later FOUND_ROWS() asks for it
      break;
    default:
      break;
  }
  if (token(i).flags & kPlaceholderInside) unreadable("placeholder_in_text", "");
  const bool after_dot = i > 0 && is_symbol(i - 1, end, '.');
  if (!after_dot && is_symbol(i + 1, end, '(') && is_plain_group(token(i).keyword, i)) return i + 1;
  const NameChain chain = name_chain(i, end);
  if (is_symbol(chain.end, end, '(')) return function_call(chain, chain.end);
  if (chain.parts > 1) {
    if (mysql() && one_of(lower_ascii(stream_.raw(chain.end - 1)), {"nextval", "currval"})) {
      out_.may_have_side_effects = true;  // MariaDB's Oracle mode: sequence.nextval
      unreadable("side_effect_function", chain_text(chain));
    }
    return chain.end;
  }
  if (token(i).kind != TokenKind::word || after_dot) return i + 1;
  const std::string word = lower_ascii(stream_.raw(i));
  switch (classify_bare_word(word, stream_.dialect)) {
    case FunctionClass::volatile_:
      unreadable("volatile_function", word);
      break;
    case FunctionClass::session:
      unreadable("session_function", word);
      break;
    default:
      break;
  }
  // type 'text' is a cast in PostgreSQL.
  if (postgresql() && token(i).keyword == none && i + 1 < end && token(i + 1).kind == TokenKind::text &&
      !is_plain_type(word) && !one_of(word, {"escape", "separator", "passing", "precision", "varying"})) {
    unreadable("unknown_type", word);
  }
  return i + 1;
}

// name(arguments), where `open` is the "(".
std::size_t StatementReader::function_call(const NameChain& chain, std::size_t open) {
  const std::size_t close = token(open).match;
  std::string name = folded_name(stream_, chain.end - 1);
  const bool built_in = chain.parts == 1 || (chain.parts == 2 && postgresql() &&
                                             folded_name(stream_, chain.begin) == "pg_catalog");
  std::size_t arguments = open + 1 == close ? 0 : 1;
  for (std::size_t i = open + 1; i < close; ++i) {
    if (is_symbol(i, close, '(') || is_symbol(i, close, '[')) i = token(i).match;
    if (is_symbol(i, close, ',')) ++arguments;
  }
  const FunctionClass kind =
      built_in ? classify_call(name, arguments, stream_.dialect) : FunctionClass::unknown;
  if (!built_in) name = lower_ascii(chain_text(chain));
  switch (kind) {
    case FunctionClass::deterministic:
      break;
    case FunctionClass::clock_argument:
      check_clock_arguments(name, open + 1, close, arguments);
      break;
    case FunctionClass::volatile_:
      unreadable("volatile_function", name);
      break;
    case FunctionClass::session:
      unreadable("session_function", name);
      break;
    case FunctionClass::side_effect:
      out_.may_have_side_effects = true;
      if (name == "set_config") out_.session_change = true;
      unreadable("side_effect_function", name);
      add_once(out_.functions, name);
      break;
    case FunctionClass::unknown:
      unreadable("unknown_function", name);
      add_once(out_.functions, lower_ascii(name));
      break;
  }
  Context context;
  context.from_argument = one_of(name, {"extract", "substring", "substr", "trim", "overlay", "convert",
                                        "char", "ltrim", "rtrim", "position", "mid"});
  context.for_argument = one_of(name, {"substring", "substr", "overlay", "mid"});
  context.cast = name == "cast" || name == "try_cast" || name == "weight_string";
  return group(open, context);
}

// SQLite's date functions read the clock for 'now' and for no argument, and the process's zone for
// 'localtime' and 'utc'. A column or parameter may hold any of them, so only calls on harmless literals pass.
void StatementReader::check_clock_arguments(const std::string& name, std::size_t begin, std::size_t end,
                                            std::size_t arguments) {
  bool constant = arguments >= (name == "strftime" ? 2U : 1U);
  for (std::size_t i = begin; i < end && constant; ++i) {
    const Token& argument = token(i);
    if (argument.kind == TokenKind::text) {
      const std::string value = lower_ascii(stream_.raw(i));
      for (const std::string_view word : {"now", "local", "utc", "subsec"}) {
        if (value.find(word) != std::string::npos) constant = false;
      }
      if (argument.begin + 1 < argument.end && stream_.raw(i).front() != '\'') constant = false;  // a blob
    } else {
      constant = argument.kind == TokenKind::number || is_symbol(i, end, ',') || is_symbol(i, end, '-') ||
                 is_symbol(i, end, '+');
    }
  }
  if (!constant) unreadable("volatile_function", name);
}

// Behind AS: a type in a CAST, else a label, which may be any word.
std::size_t StatementReader::as_label(std::size_t i, std::size_t end, Context context) {
  if (context.cast) return type_name(i, end);
  if (is_name(i, end) || (i < end && token(i).kind == TokenKind::text)) return i + 1;
  return i;  // WINDOW w AS (…)
}

// Behind "::" or in a CAST. AT TIME ZONE and types with a zone rest on the session's zone, which is in the
// key.
std::size_t StatementReader::type_name(std::size_t i, std::size_t end) {
  if (postgresql()) {
    const NameChain chain = name_chain(i, end);
    if (chain.parts == 0) {
      unreadable("unknown_type", "");
      return i;
    }
    const std::string name = folded_name(stream_, chain.end - 1);
    const bool built_in =
        chain.parts == 1 || (chain.parts == 2 && folded_name(stream_, chain.begin) == "pg_catalog");
    if (!built_in || !is_plain_type(name)) unreadable("unknown_type", chain_text(chain));
    i = chain.end;
    if (is_word(i, end, "precision") || is_word(i, end, "varying")) ++i;
  } else {
    while (is_name(i, end)) ++i;
  }
  return is_symbol(i, end, '(') ? token(i).match + 1 : i;  // varchar(10): no expression
}

// SQLite: x IN table, x IN function(…).
std::size_t StatementReader::sqlite_in(std::size_t i, std::size_t end) {
  const NameChain chain = name_chain(i, end);
  if (is_symbol(chain.end, end, '(')) {
    unreadable("table_function", chain_text(chain));
    return function_call(chain, chain.end);
  }
  add_read(chain);
  return chain.end;
}

}  // namespace cache_me
