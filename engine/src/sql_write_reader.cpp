// Statements that write rows. DDL is in sql_ddl_reader.cpp.
#include <algorithm>
#include <utility>

#include "sql_reader.hpp"

namespace cache_me {

using enum Keyword;

// The first writing part names the statement: WITH x AS (DELETE …) SELECT is a delete.
void StatementReader::write_kind(StatementKind kind) {
  dml_ = true;
  if (out_.kind == StatementKind::unknown || out_.kind == StatementKind::select) out_.kind = kind;
}

std::size_t StatementReader::written_table(std::size_t i, std::size_t end) {
  const NameChain chain = name_chain(i, end);
  if (chain.parts == 0 || !add_write(chain)) {
    fail("unknown_syntax", i);
    return end;
  }
  i = chain.end;
  return postgresql() && is_symbol(i, end, '*') ? i + 1 : i;
}

// MySQL's LOW_PRIORITY, QUICK, IGNORE …, SQLite's OR REPLACE …
std::size_t StatementReader::skip_modifiers(std::size_t i, std::size_t end) {
  if (sqlite() && is(i, end, kw_or)) {
    if (is(i + 1, end, kw_replace)) out_.replace = true;
    if (is(i + 1, end, kw_ignore)) out_.upsert = true;
    return i + 2;
  }
  for (; mysql() && i < end; ++i) {
    switch (token(i).keyword) {
      case kw_ignore:
        out_.upsert = true;
        break;
      case kw_low_priority:
      case kw_high_priority:
      case kw_delayed:
      case kw_quick:
        break;
      default:
        return i;
    }
  }
  return i;
}

void StatementReader::insert(std::size_t i, std::size_t end) {
  write_kind(StatementKind::insert);
  if (is(i, end, kw_replace)) out_.replace = true;
  i = skip(skip_modifiers(i + 1, end), end, kw_into);
  i = written_table(i, end);
  if (failed_) return;
  if (mysql() && is(i, end, kw_partition) && is_symbol(i + 1, end, '(')) i = token(i + 1).match + 1;
  if (is(i, end, kw_as) && is_name(i + 1, end) && !is(i + 1, end, kw_select)) i += 2;
  if (is_symbol(i, end, '(') && !starts_query(i + 1, token(i).match)) i = token(i).match + 1;  // columns
  if (is(i, end, kw_overriding) && is(i + 2, end, kw_value)) i += 3;
  Context context;
  context.dml = true;
  if (is(i, end, kw_default) && is(i + 1, end, kw_values)) {
    i = clauses(i + 2, end, context);
  } else if (is(i, end, kw_values) || (mysql() && (is(i, end, kw_value) || is(i, end, kw_set)))) {
    i = clauses(i + 1, end, context);
  } else {
    return query(skip(i, end, kw_as), end, context);
  }
  if (!failed_ && i < end) fail("unknown_syntax", i);
}

// MySQL's multi-table UPDATE and DELETE: every table of the list counts as written, since the targets may be
// aliases. Reads the list at `i` and returns the index behind it.
std::size_t StatementReader::written_list(std::size_t i, std::size_t end) {
  std::vector<TableName> reads = std::exchange(out_.reads, {});
  const bool blocked = std::exchange(blocked_, false);
  i = from_list(i, end);
  // An item that is no plain table may be a table that is written.
  if (!failed_ && blocked_) fail("unknown_syntax", i);
  blocked_ = blocked_ || blocked;
  std::swap(reads, out_.reads);
  for (TableName& table : reads) {
    add_once(out_.writes, table);
    add_once(out_.reads, std::move(table));
  }
  return failed_ ? end : i;
}

void StatementReader::update(std::size_t i, std::size_t end) {
  write_kind(StatementKind::update);
  i = skip_modifiers(i + 1, end);
  if (postgresql()) i = skip(i, end, kw_only);
  std::size_t j = name_chain(i, end).end;
  if (is(j, end, kw_as)) ++j;
  if (mysql() && !is(j, end, kw_set) && !(is_name(j, end) && is(j + 1, end, kw_set))) {
    i = written_list(i, end);
  } else {
    i = written_table(i, end);
    if (!failed_) i = table_hints(alias(i, end), end);
  }
  if (failed_) return;
  if (!is(i, end, kw_set)) return fail("unknown_syntax", i);
  finish_write(i, end);
}

// The clauses of a writing statement, to its end.
void StatementReader::finish_write(std::size_t i, std::size_t end) {
  Context context;
  context.dml = true;
  i = clauses(i, end, context);
  if (!failed_ && i < end) fail("unknown_syntax", i);
}

void StatementReader::delete_from(std::size_t i, std::size_t end) {
  write_kind(StatementKind::delete_);
  i = skip_modifiers(i + 1, end);
  const bool from_first = is(i, end, kw_from);
  if (from_first) ++i;
  if (mysql()) {
    // Over a list of targets: t1, db.t2.*
    std::size_t j = i;
    while (is_name(j, end) && !is(j, end, kw_from) && !is(j, end, kw_using)) {
      j = name_chain(j, end).end;
      if (is_symbol(j, end, '.') && is_symbol(j + 1, end, '*')) j += 2;
      if (!is_symbol(j, end, ',')) break;
      ++j;
    }
    if (is(j, end, from_first ? kw_using : kw_from)) {
      i = written_list(j + 1, end);
      return failed_ ? void() : finish_write(i, end);
    }
  }
  if (!from_first) return fail("unknown_syntax", i);
  if (postgresql()) i = skip(i, end, kw_only);
  i = written_table(i, end);
  if (failed_) return;
  if (mysql() && is(i, end, kw_partition) && is_symbol(i + 1, end, '(')) i = token(i + 1).match + 1;
  i = table_hints(alias(i, end), end);
  if (!failed_ && is(i, end, kw_using) && postgresql()) i = from_list(i + 1, end);
  if (failed_) return;
  if (i < end && !ends_from(i, end)) return fail("unknown_syntax", i);
  finish_write(i, end);
}

void StatementReader::merge(std::size_t i, std::size_t end) {
  write_kind(StatementKind::merge);
  i = skip(skip(i + 1, end, kw_into), end, kw_only);
  i = written_table(i, end);
  if (!failed_) i = alias(i, end);
  if (failed_) return;
  if (!postgresql() || !is(i, end, kw_using)) return fail("unknown_syntax", i);
  i = from_item(i + 1, end);
  if (failed_) return;
  if (!is(i, end, kw_on)) return fail("unknown_syntax", i);
  Context context;
  context.dml = true;
  while (!failed_ && i < end) {
    if (is(i, end, kw_insert) && is_symbol(i + 1, end, '(')) {
      i = token(i + 1).match + 1;  // columns
    } else if (is(i, end, kw_set) && is_symbol(i + 1, end, '(')) {
      i = group(i + 1);
    } else if (is(i, end, kw_returning)) {
      i = clauses(i, end, context);
      if (!failed_ && i < end) fail("unknown_syntax", i);
    } else {
      i = expression_step(i, end, context);
    }
  }
}

void StatementReader::truncate(std::size_t i, std::size_t end) {
  if (sqlite()) return fail("unknown_statement", i);
  write_kind(StatementKind::truncate);
  for (i = skip(i + 1, end, kw_table); !failed_; ++i) {
    if (postgresql()) i = skip(i, end, kw_only);
    i = written_table(i, end);
    if (!is_symbol(i, end, ',')) break;
  }
  if (postgresql() && (is(i, end, kw_restart) || is(i, end, kw_continue)) && is_word(i + 1, end, "identity"))
    i += 2;
  if (postgresql()) i = skip(i, end, kw_restrict);
  // CASCADE: which other tables, only the catalog knows.
  if (!failed_ && i < end) fail("unknown_syntax", i);
}

}  // namespace cache_me
