// CREATE, ALTER, DROP, RENAME: which tables they touch, as far as the text tells.
#include "sql_reader.hpp"

namespace cache_me {

using enum Keyword;

std::size_t StatementReader::skip_if_exists(std::size_t i, std::size_t end) const {
  if (!is(i, end, kw_if)) return i;
  const std::size_t exists = skip(i + 1, end, kw_not);
  return is(exists, end, kw_exists) ? exists + 1 : i;
}

void StatementReader::create(std::size_t i, std::size_t end) {
  out_.kind = StatementKind::ddl;
  ++i;
  if (is(i, end, kw_or) && is(i + 1, end, kw_replace)) i += 2;
  for (; i < end; ++i) {
    switch (token(i).keyword) {
      case kw_temp:
      case kw_temporary:
        out_.temporary = out_.session_change = true;
        continue;
      case kw_local:
      case kw_global:
      case kw_unlogged:
      case kw_virtual:
      case kw_unique:
        continue;
      case kw_table:
        return create_table(i + 1, end);
      case kw_index:
        break;
      default:
        if (is_word(i, end, "fulltext") || is_word(i, end, "spatial")) continue;
        return;  // views, sequences, triggers …: the tables that it touches are not told
    }
    break;
  }
  // INDEX [CONCURRENTLY] [IF NOT EXISTS] [name] [USING method] ON [ONLY] table
  for (; i < end && !is(i, end, kw_on); ++i) {
  }
  i = skip(i, end, kw_on);
  written_table(postgresql() ? skip(i, end, kw_only) : i, end);
}

void StatementReader::create_table(std::size_t i, std::size_t end) {
  i = written_table(skip_if_exists(i, end), end);
  if (failed_) return;
  if (end - i >= 2 && is_word(end - 1, end, "data")) {  // … AS SELECT … WITH [NO] DATA
    const std::size_t with = is(end - 2, end, kw_no) ? end - 3 : end - 2;
    if (is(with, end, kw_with)) end = with;
  }
  // Columns and options are passed over; a query fills the table, and may call anything.
  while (!failed_ && i < end) {
    const bool storage = is(i, end, kw_with) && !is_name(i + 1, end);
    if (is(i, end, kw_as) && is_word(i + 1, end, "execute")) return fail("unknown_syntax", i);
    if (is(i, end, kw_as) && is(i + 1, end, kw_table)) return query(i + 1, end);
    if (!storage && starts_query(i, end)) return query(i, end);
    if (is_symbol(i, end, '(')) {
      i = starts_query(i + 1, token(i).match) ? group(i) : token(i).match + 1;
    } else {
      ++i;
    }
  }
}

void StatementReader::alter(std::size_t i, std::size_t end) {
  out_.kind = StatementKind::ddl;
  ++i;
  while (mysql() && (is_word(i, end, "online") || is(i, end, kw_ignore))) ++i;
  if (!is(i, end, kw_table)) return;
  i = skip_if_exists(i + 1, end);
  if (postgresql()) i = skip(i, end, kw_only);
  i = written_table(i, end);
  while (!failed_ && i < end) {
    if (is_symbol(i, end, '(')) {
      i = token(i).match + 1;
      continue;
    }
    switch (token(i).keyword) {
      case kw_rename: {
        std::size_t to = i + 1;
        if (is(to, end, kw_to) || is(to, end, kw_as)) ++to;
        const NameChain name = name_chain(to, end);
        // RENAME [COLUMN|CONSTRAINT|INDEX|KEY] a TO b leaves the table its name.
        const bool part = is_word(to, end, "column") || is_word(to, end, "constraint") ||
                          is(to, end, kw_index) || is(to, end, kw_key) || is(name.end, end, kw_to);
        if (name.parts != 0 && !part) add_write(name);
        break;
      }
      case kw_attach:
      case kw_detach:
      case kw_exchange:
      case kw_inherit:
        return fail("unknown_syntax", i);  // moves the rows of another table
      case kw_set:
        if (is(i + 1, end, kw_schema)) return fail("unknown_syntax", i);
        break;
      default:
        break;
    }
    ++i;
  }
}

void StatementReader::drop(std::size_t i, std::size_t end) {
  out_.kind = StatementKind::ddl;
  ++i;
  if (is(i, end, kw_temporary) && mysql()) {
    out_.temporary = out_.session_change = true;
    ++i;
  }
  if (is(i, end, kw_index) && mysql()) {
    for (; i < end && !is(i, end, kw_on); ++i) {
    }
    if (i < end) written_table(i + 1, end);
    return;
  }
  if (!is(i, end, kw_table) && !is_word(i, end, "tables")) return;
  for (i = skip_if_exists(i + 1, end); !failed_; ++i) {
    i = written_table(i, end);
    if (!is_symbol(i, end, ',')) break;
  }
  if (is(i, end, kw_cascade) || is(i, end, kw_restrict))
    ++i;  // drops constraints and views, no rows of others
  if (!failed_ && i < end) fail("unknown_syntax", i);
}

// MySQL: RENAME TABLE a TO b, c TO d
void StatementReader::rename_table(std::size_t i, std::size_t end) {
  out_.kind = StatementKind::ddl;
  if (!mysql() || !is(i + 1, end, kw_table)) return fail("unknown_statement", i);
  for (i += 2; !failed_; ++i) {
    i = written_table(i, end);
    if (failed_ || !is(i, end, kw_to)) return fail("unknown_syntax", i);
    i = written_table(i + 1, end);
    if (!is_symbol(i, end, ',')) break;
  }
  if (!failed_ && i < end) fail("unknown_syntax", i);
}

}  // namespace cache_me
