// Queries: WITH, SELECT, set operations, FROM. Expressions are in sql_expression_reader.cpp.
#include <algorithm>

#include "sql_reader.hpp"

namespace cache_me {

using enum Keyword;

// [WITH …] term {UNION|INTERSECT|EXCEPT [ALL|DISTINCT] term}, each term with its clauses.
void StatementReader::query(std::size_t i, std::size_t end, Context context) {
  const std::size_t scope = ctes_.size();
  if (is(i, end, kw_with)) i = with_clause(i, end);
  while (!failed_) {
    if (is_symbol(i, end, '(')) {
      i = group(i);
    } else if (is(i, end, kw_select) || is(i, end, kw_values)) {
      ++i;
    } else if (is(i, end, kw_table) && !sqlite() && is_name(i + 1, end)) {
      const NameChain chain = name_chain(i + 1, end);
      add_read(chain);
      i = chain.end;
    } else if (is(i, end, kw_insert) || is(i, end, kw_replace) || is(i, end, kw_update) ||
               is(i, end, kw_delete) || is(i, end, kw_merge)) {
      statement(i, end, false);  // WITH … UPDATE, and PostgreSQL's CTEs that write
      break;
    } else {
      return fail("unknown_syntax", i);
    }
    i = clauses(i, end, context);
    if (failed_ || i >= end) break;
    ++i;  // the set operator
    if (is(i, end, kw_all) || is(i, end, kw_distinct)) ++i;
  }
  ctes_.resize(std::min(scope, ctes_.size()));
}

// From a CTE's name to the "(" of its body; `end` if it is nothing like that.
std::size_t StatementReader::cte_header(std::size_t i, std::size_t end) const {
  if (!is_name(i, end)) return end;
  ++i;
  if (is_symbol(i, end, '(')) i = token(i).match + 1;
  if (!is(i, end, kw_as)) return end;
  i = skip(skip(i + 1, end, kw_not), end, kw_materialized);
  return is_symbol(i, end, '(') ? i : end;
}

// A CTE hides a table of its name in what follows it. In its own body and in those before it the databases
// differ: SQLite lets all see all; PostgreSQL, without RECURSIVE, means the table.
std::size_t StatementReader::with_clause(std::size_t i, std::size_t end) {
  ++i;
  const bool recursive = is(i, end, kw_recursive) && is_name(i + 1, end) && !is(i + 1, end, kw_as);
  if (recursive) ++i;
  const Cte::Scope elsewhere = postgresql() && !recursive ? Cte::Scope::hidden : Cte::Scope::unsure;
  const std::size_t first = ctes_.size();
  for (std::size_t j = i; j < end;) {
    const std::size_t body = cte_header(j, end);
    if (body >= end) {
      fail("unknown_syntax", j);
      return end;
    }
    if (ctes_.size() >= kMaxNames) {
      fail("too_many_names", j);
      return end;
    }
    ctes_.push_back({folded_name(stream_, j), spelling(j), elsewhere});
    j = token(body).match + 1;
    if (!is_symbol(j, end, ',')) break;
    ++j;
  }
  const std::size_t last = ctes_.size();
  for (std::size_t n = first; n < last && !failed_; ++n) {
    const std::size_t body = cte_header(i, end);
    if (recursive) ctes_[n].scope = Cte::Scope::visible;
    query(body + 1, token(body).match);
    if (failed_) return end;
    ctes_[n].scope = Cte::Scope::visible;
    i = token(body).match + 1;
    if (n + 1 < last) ++i;  // the comma
  }
  return i;
}

// The clauses of one SELECT, VALUES or writing statement, up to a set operator or `end`.
std::size_t StatementReader::clauses(std::size_t i, std::size_t end, Context context) {
  while (!failed_ && i < end) {
    switch (keyword(i, end)) {
      case kw_from:
        i = is_distinct_from(i) ? i + 1 : from_list(i + 1, end);
        break;
      case kw_union:
      case kw_intersect:
      case kw_except:
        if (is_set_operator(i, end)) return i;
        i = expression_step(i, end, context);
        break;
      case kw_into:
        i = select_into(i, end);
        break;
      case kw_for:
        i = locking_clause(i, end);
        break;
      case kw_lock:
        if (mysql() && is(i + 1, end, kw_in)) {
          out_.locking_read = true;
          unreadable("locking_read", "lock");
        }
        ++i;
        break;
      case kw_returning:
        ++i;
        if (!context.dml) break;
        out_.returning = true;
        if (is(i, end, kw_with) && is_symbol(i + 1, end, '(')) i = token(i + 1).match + 1;
        break;
      case kw_on:
        ++i;
        if (context.dml && (is(i, end, kw_conflict) || is(i, end, kw_duplicate))) {
          out_.upsert = true;
          ++i;
        }
        break;
      case kw_set:
        if (context.dml && is_symbol(i + 1, end, '(')) {
          i = group(i + 1);
          break;
        }
        [[fallthrough]];
      default:
        i = expression_step(i, end, context);
    }
  }
  return i;
}

bool StatementReader::is_distinct_from(std::size_t i) const {
  return i >= 2 && is(i - 1, i, kw_distinct) && (is(i - 2, i, kw_is) || is(i - 2, i, kw_not));
}

// INTERSECT and EXCEPT are names in old MySQL.
bool StatementReader::is_set_operator(std::size_t i, std::size_t end) const {
  if (is(i, end, kw_union)) return true;
  if (!is(i, end, kw_intersect) && !is(i, end, kw_except)) return false;
  const Keyword next = keyword(i + 1, end);
  return next == kw_select || next == kw_values || next == kw_table || next == kw_all ||
         next == kw_distinct || is_symbol(i + 1, end, '(');
}

// SELECT … INTO t makes a table in PostgreSQL. MySQL's writes files and variables.
std::size_t StatementReader::select_into(std::size_t i, std::size_t end) {
  if (!postgresql()) {
    fail("unknown_syntax", i);
    return end;
  }
  ++i;
  while (is(i, end, kw_temp) || is(i, end, kw_temporary) || is(i, end, kw_local) || is(i, end, kw_global)) {
    out_.temporary = out_.session_change = true;
    ++i;
  }
  i = skip(skip(i, end, kw_unlogged), end, kw_table);
  i = written_table(i, end);
  out_.kind = StatementKind::ddl;
  return i;
}

// FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE; what may follow (OF t NOWAIT) is read as words.
std::size_t StatementReader::locking_clause(std::size_t i, std::size_t end) {
  const std::size_t start = i++;
  i = skip(skip(i, end, kw_no), end, kw_key);
  if (!is(i, end, kw_update) && !is(i, end, kw_share)) {
    fail("unknown_syntax", start);
    return end;
  }
  out_.locking_read = true;
  unreadable("locking_read", "for");
  return i + 1;
}

// item {, item | JOIN item [ON … | USING (…)]}, up to the clause behind it.
std::size_t StatementReader::from_list(std::size_t i, std::size_t end) {
  while (!failed_) {
    i = from_item(i, end);
    if (!failed_) i = after_item(i, end);
    if (failed_ || i >= end || ends_from(i, end)) break;
    i = is_symbol(i, end, ',') ? i + 1 : join_keyword(i, end);
  }
  return failed_ ? end : i;
}

// Over ON and USING, to a comma, a JOIN, the clause behind the FROM, or `end`.
std::size_t StatementReader::after_item(std::size_t i, std::size_t end) {
  while (!failed_ && i < end) {
    if (is_symbol(i, end, ',') || join_keyword(i, end) != i || ends_from(i, end)) return i;
    if (is(i, end, kw_on)) {
      ++i;
      while (!failed_ && i < end && !is_symbol(i, end, ',') && !is(i, end, kw_on) && !is(i, end, kw_using) &&
             join_keyword(i, end) == i && !ends_from(i, end)) {
        i = expression_step(i, end, {});
      }
    } else if (is(i, end, kw_using) && is_symbol(i + 1, end, '(')) {
      i = token(i + 1).match + 1;
      if (is(i, end, kw_as) && is_name(i + 1, end)) i += 2;
    } else {
      fail("unknown_syntax", i);
    }
  }
  return failed_ ? end : i;
}

// The index behind the JOIN that stands at `i`, or `i`. Looks at a few words only: "left left left …" is read
// once.
std::size_t StatementReader::join_keyword(std::size_t i, std::size_t end) const {
  constexpr std::size_t kLongestJoin = 5;  // NATURAL LEFT OUTER JOIN, and SQLite takes them in any order
  end = std::min(end, i + kLongestJoin);
  for (std::size_t j = i; j < end; ++j) {
    switch (token(j).keyword) {
      case kw_natural:
      case kw_inner:
      case kw_cross:
      case kw_left:
      case kw_right:
      case kw_full:
      case kw_outer:
        break;
      case kw_join:
        return j + 1;
      case kw_straight_join:
        return mysql() ? j + 1 : i;
      default:
        return i;
    }
  }
  return i;
}

// Whether the clause behind a FROM begins at `i`. Words that are names in some dialect must show what they
// are by what follows them: taken for a clause, `FROM t offset, u` would hide u.
bool StatementReader::ends_from(std::size_t i, std::size_t end) const {
  const auto next_kind = [&](TokenKind kind) { return i + 1 < end && token(i + 1).kind == kind; };
  switch (keyword(i, end)) {
    case kw_where:
    case kw_group:
    case kw_having:
    case kw_order:
    case kw_limit:
    case kw_into:
      return true;
    case kw_union:
    case kw_intersect:
    case kw_except:
      return is_set_operator(i, end);
    case kw_window:
      return is_name(i + 1, end) && is(i + 2, end, kw_as);
    case kw_offset:
      return postgresql() || next_kind(TokenKind::number) || next_kind(TokenKind::placeholder) ||
             is_symbol(i + 1, end, '(');
    case kw_fetch:
      return is(i + 1, end, kw_first) || is(i + 1, end, kw_next);
    case kw_for:
      return is(i + 1, end, kw_update) || is(i + 1, end, kw_share) || is(i + 1, end, kw_no) ||
             is(i + 1, end, kw_key);
    case kw_lock:
      return is(i + 1, end, kw_in);
    case kw_returning:
      return dml_ && i + 1 < end && !is_symbol(i + 1, end, ',');
    case kw_on:
      return dml_ && ((is(i + 1, end, kw_duplicate) && is(i + 2, end, kw_key)) ||
                      (is(i + 1, end, kw_conflict) &&
                       (is(i + 2, end, kw_do) || is(i + 2, end, kw_on) || is_symbol(i + 2, end, '('))));
    case kw_set:
      return dml_ && mysql();
    default:
      return false;
  }
}

std::size_t StatementReader::from_item(std::size_t i, std::size_t end) {
  if (is(i, end, kw_lateral) && !sqlite()) ++i;
  if (is(i, end, kw_only) && postgresql()) {
    ++i;
    if (is_symbol(i, end, '(')) {
      add_read(name_chain(i + 1, token(i).match));
      return alias(token(i).match + 1, end);
    }
  }
  if (is_symbol(i, end, '(')) {
    const std::size_t close = token(i).match;
    if (starts_query(i + 1, close)) {
      group(i);
    } else if (from_list(i + 1, close) != close) {
      fail("unknown_syntax", i);
    }
    return failed_ ? end : alias(close + 1, end);
  }
  if (is_name(i, end)) return from_table(i, end);
  if (i < end && (token(i).kind == TokenKind::placeholder || token(i).kind == TokenKind::text)) {
    unreadable("unknown_from_item", std::string(stream_.raw(i)));
    return alias(i + 1, end);
  }
  fail("unknown_syntax", i);
  return end;
}

// name [*] [PARTITION (…)] [[AS] alias] [hints], or function(…) [WITH ORDINALITY] [[AS] alias].
std::size_t StatementReader::from_table(std::size_t i, std::size_t end) {
  const NameChain chain = name_chain(i, end);
  i = chain.end;
  if (is_symbol(i, end, '(')) {
    unreadable("table_function", chain_text(chain));
    i = function_call(chain, i);
    if (is(i, end, kw_with) && is(i + 1, end, kw_ordinality)) i += 2;
    return failed_ ? end : alias(i, end);
  }
  if (chain.parts == 1 && (is(chain.begin, end, kw_select) || is(chain.begin, end, kw_values))) {
    fail("unknown_syntax", chain.begin);
    return end;
  }
  add_read(chain);
  if (postgresql() && is_symbol(i, end, '*')) ++i;
  if (mysql() && is(i, end, kw_partition) && is_symbol(i + 1, end, '(')) i = token(i + 1).match + 1;
  return table_hints(alias(i, end), end);
}

std::size_t StatementReader::table_hints(std::size_t i, std::size_t end) {
  if (sqlite() && is(i, end, kw_indexed) && is(i + 1, end, kw_by) && is_name(i + 2, end)) return i + 3;
  if (sqlite() && is(i, end, kw_not) && is(i + 1, end, kw_indexed)) return i + 2;
  if (is(i, end, kw_tablesample) && postgresql()) {
    unreadable("table_sample", "tablesample");
    i = name_chain(i + 1, end).end;
    if (is_symbol(i, end, '(')) i = token(i).match + 1;
    if (is_word(i, end, "repeatable") && is_symbol(i + 1, end, '(')) i = token(i + 1).match + 1;
    return i;
  }
  while (mysql() && (is(i, end, kw_use) || is(i, end, kw_ignore) || is(i, end, kw_force)) &&
         (is(i + 1, end, kw_index) || is(i + 1, end, kw_key))) {
    i += 2;
    if (is(i, end, kw_for)) i += is(i + 1, end, kw_join) ? std::size_t{2} : std::size_t{3};
    if (!is_symbol(i, end, '(')) {
      fail("unknown_syntax", i);
      return end;
    }
    i = token(i).match + 1;
  }
  return i;
}

// [AS] name [(columns)], or nothing.
std::size_t StatementReader::alias(std::size_t i, std::size_t end) {
  const auto is_text = [&](std::size_t at) {
    return at < end && token(at).kind == TokenKind::text && !postgresql();
  };
  if (is(i, end, kw_as)) {
    ++i;
    if (is_name(i, end) || is_text(i)) {
      ++i;
    } else if (!is_symbol(i, end, '(')) {  // PostgreSQL: f() AS (a int, b text)
      fail("unknown_syntax", i);
      return end;
    }
  } else {
    if (is_text(i)) return i + 1;
    if (!is_name(i, end) || join_keyword(i, end) != i || ends_from(i, end)) return i;
    switch (token(i).keyword) {
      case kw_on:
      case kw_using:
      case kw_select:
      case kw_from:
      case kw_for:
      case kw_with:
      case kw_tablesample:
        return i;
      case kw_indexed:
      case kw_not:
        if (sqlite()) return i;
        break;
      case kw_use:
      case kw_ignore:
      case kw_force:
        if (mysql()) return i;
        break;
      case kw_set:
      case kw_when:
        if (dml_) return i;
        break;
      default:
        break;
    }
    ++i;
  }
  return is_symbol(i, end, '(') ? token(i).match + 1 : i;
}

}  // namespace cache_me
