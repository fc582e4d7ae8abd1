// Names, and the statements that are neither queries nor writes.
#include "sql_reader.hpp"

#include <algorithm>
#include <utility>

namespace cache_me {

using enum Keyword;

void StatementReader::read(std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    if (token(i).kind == TokenKind::placeholder) ++out_.placeholders;
  }
  statement(begin, end, true);
  if (failed_) {
    out_.kind = StatementKind::unknown;
  } else if (out_.kind != StatementKind::select || !out_.writes.empty()) {
    unreadable("not_a_select", name_of(out_.kind));
  }
  out_.readable = !failed_ && !blocked_;
}

void StatementReader::fail(const char* reason, std::size_t i) {
  if (failed_) return;
  failed_ = true;
  out_.reason = reason;
  out_.detail = i < stream_.tokens.size() ? std::string(stream_.raw(i).substr(0, 64)) : std::string();
}

void StatementReader::unreadable(const char* reason, std::string detail) {
  if (blocked_ || failed_) return;
  blocked_ = true;
  if (!out_.reason.empty()) return;
  out_.reason = reason;
  out_.detail = std::move(detail);
}

bool StatementReader::is_word(std::size_t i, std::size_t end, std::string_view lower_case) const {
  return i < end && token(i).kind == TokenKind::word && token(i).end - token(i).begin == lower_case.size() &&
         lower_ascii(stream_.raw(i)) == lower_case;
}

StatementReader::NameChain StatementReader::name_chain(std::size_t i, std::size_t end) const {
  NameChain chain;
  chain.begin = chain.end = i;
  while (is_name(i, end)) {
    ++chain.parts;
    chain.end = i + 1;
    if (!is_symbol(i + 1, end, '.')) break;
    i += 2;
  }
  return chain;
}

std::string StatementReader::chain_text(const NameChain& chain) const {
  std::string text;
  for (std::size_t i = chain.begin; i < chain.end; i += 2) {
    if (!text.empty()) text += '.';
    text += folded_name(stream_, i);
  }
  return text;
}

std::string StatementReader::spelling(std::size_t i) const {
  const std::string_view raw = stream_.raw(i);
  return std::string(token(i).kind == TokenKind::quoted_name ? raw.substr(1, raw.size() - 2) : raw);
}

// False if the name is no schema and table, or may be no name at all.
bool StatementReader::table_name(const NameChain& chain, TableName& name) const {
  if (chain.parts < 1 || chain.parts > 2) return false;
  for (std::size_t i = chain.begin; i < chain.end; i += 2) {
    if (token(i).flags & (kAmbiguousQuote | kPlaceholderInside)) return false;
  }
  if (chain.parts == 2) name.schema = folded_name(stream_, chain.begin);
  name.name = folded_name(stream_, chain.end - 1);
  return true;
}

template <typename T>
bool StatementReader::add_once(std::vector<T>& list, T value) {
  if (std::find(list.begin(), list.end(), value) != list.end()) return true;
  if (list.size() >= kMaxNames) {
    fail("too_many_names", 0);
    return false;
  }
  list.push_back(std::move(value));
  return true;
}
template bool StatementReader::add_once(std::vector<std::string>&, std::string);
template bool StatementReader::add_once(std::vector<TableName>&, TableName);

void StatementReader::add_read(const NameChain& chain) {
  TableName name;
  if (!table_name(chain, name)) return unreadable("unknown_from_item", chain_text(chain));
  if (chain.parts == 1) {
    for (auto cte = ctes_.rbegin(); cte != ctes_.rend(); ++cte) {
      if (cte->name != name.name || cte->scope == Cte::Scope::hidden) continue;
      // MySQL on Linux tells T from t, and a CTE's name from a table's by it.
      const bool sure = !mysql() || cte->spelling == spelling(chain.begin);
      if (cte->scope == Cte::Scope::visible && sure) return;
      unreadable("cte_scope", name.name);
      break;
    }
  } else if ((sqlite() && name.schema == "temp") || (postgresql() && name.schema.substr(0, 7) == "pg_temp")) {
    unreadable("temporary_table", name.name);
  }
  add_once(out_.reads, std::move(name));
}

bool StatementReader::add_write(const NameChain& chain) {
  TableName name;
  if (!table_name(chain, name)) return false;
  if ((sqlite() && name.schema == "temp") || (postgresql() && name.schema.substr(0, 7) == "pg_temp")) {
    if (out_.kind == StatementKind::ddl) out_.temporary = out_.session_change = true;
  }
  return add_once(out_.writes, std::move(name));
}

// What is not listed is unknown: CALL, DO, EXECUTE, PREPARE, COPY, LOAD, LOCK, HANDLER, DECLARE, GRANT, XA,
// FLUSH …
void StatementReader::statement(std::size_t i, std::size_t end, bool top) {
  switch (keyword(i, end)) {
    case kw_select:
    case kw_with:
    case kw_values:
    case kw_table:
      if (out_.kind == StatementKind::unknown) out_.kind = StatementKind::select;
      query(i, end);
      if (is(i, end, kw_values) || is(i, end, kw_table))
        unreadable("not_a_select", std::string(stream_.raw(i)));
      return;
    case kw_insert:
    case kw_replace:
      return insert(i, end);
    case kw_update:
      return update(i, end);
    case kw_delete:
      return delete_from(i, end);
    case kw_merge:
      return merge(i, end);
    default:
      break;
  }
  if (!top) return fail("unknown_syntax", i);
  if (starts_query(i, end)) {
    out_.kind = StatementKind::select;
    return query(i, end);
  }
  switch (keyword(i, end)) {
    case kw_truncate:
      return truncate(i, end);
    case kw_create:
      return create(i, end);
    case kw_alter:
      return alter(i, end);
    case kw_drop:
      return drop(i, end);
    case kw_rename:
      return rename_table(i, end);
    case kw_begin:
    case kw_start:
      return transaction_start(i, end);
    case kw_commit:
    case kw_end:
    case kw_rollback:
    case kw_abort:
      return transaction_end(i, end);
    case kw_savepoint:
    case kw_release:
      return savepoint(i, end);
    case kw_set:
      return set(i, end);
    case kw_pragma:
      if (sqlite()) return pragma(i, end);
      break;
    case kw_explain:
      return explain(i, end);
    case kw_describe:
    case kw_desc:
      if (mysql()) return explain(i, end);
      break;
    case kw_use:
      if (mysql()) return session_statement("use");
      break;
    case kw_attach:
      if (sqlite()) return session_statement("attach");
      break;
    case kw_detach:
      if (sqlite()) return session_statement("detach");
      break;
    case kw_reset:
      if (postgresql()) return session_statement("reset");
      break;
    case kw_discard:
      if (postgresql()) return session_statement("discard");
      break;
    case kw_show:  // reads settings and the catalog
      if (!sqlite()) return harmless();
      break;
    case kw_analyze:
    case kw_analyse:  // statistics alone; MySQL's commits, and MariaDB's runs the statement behind it
      if (!mysql()) return harmless();
      break;
    case kw_vacuum:  // moves no row that is seen; SQLite's may number rows anew
    case kw_checkpoint:
    case kw_comment:  // a text in the catalog
    case kw_listen:
    case kw_unlisten:
    case kw_notify:  // messages, no rows
      if (postgresql()) return harmless();
      break;
    default:
      break;
  }
  fail("unknown_statement", i);
}

// BEGIN [WORK|TRANSACTION|DEFERRED|IMMEDIATE|EXCLUSIVE], START TRANSACTION, with options or not.
void StatementReader::transaction_start(std::size_t i, std::size_t end) {
  out_.kind = StatementKind::begin;
  const bool start = is(i, end, kw_start);
  ++i;
  if (start && (sqlite() || !is(i, end, kw_transaction))) return fail("unknown_statement", i);
  if (sqlite() && (is(i, end, kw_deferred) || is(i, end, kw_immediate) || is(i, end, kw_exclusive))) ++i;
  if (is(i, end, kw_transaction) || (is(i, end, kw_work) && !sqlite())) ++i;
  if (sqlite() && is_name(i, end)) ++i;  // a name, without meaning
  if (i >= end) return;
  const bool option = is(i, end, kw_isolation) || is(i, end, kw_read) || is_word(i, end, "deferrable") ||
                      (is(i, end, kw_not) && is_word(i + 1, end, "deferrable")) ||
                      (is(i, end, kw_with) && is_word(i + 1, end, "consistent") && mysql());
  if (!option || sqlite() || (mysql() && !start)) return fail("unknown_syntax", i);
  out_.begin_with_options = true;
}

// COMMIT|END|ROLLBACK|ABORT [WORK|TRANSACTION] [AND NO CHAIN], ROLLBACK … TO [SAVEPOINT] name.
void StatementReader::transaction_end(std::size_t i, std::size_t end) {
  const Keyword word = keyword(i, end);
  if ((word == kw_end && mysql()) || (word == kw_abort && !postgresql())) return fail("unknown_statement", i);
  out_.kind = word == kw_commit || word == kw_end ? StatementKind::commit : StatementKind::rollback;
  ++i;
  if (is(i, end, kw_work) || is(i, end, kw_transaction)) ++i;
  if (word == kw_rollback && is(i, end, kw_to)) {
    i = skip(i + 1, end, kw_savepoint);
    if (i + 1 != end || !is_name(i, end)) return fail("unknown_syntax", i);
    out_.kind = StatementKind::rollback_to_savepoint;
    return;
  }
  if (is_word(i, end, "and") && is(i + 1, end, kw_no) && is(i + 2, end, kw_chain)) i += 3;
  if (i < end) fail("unknown_syntax", i);  // AND CHAIN, PREPARED, RELEASE
}

void StatementReader::savepoint(std::size_t i, std::size_t end) {
  const bool release = is(i, end, kw_release);
  out_.kind = release ? StatementKind::release : StatementKind::savepoint;
  ++i;
  if (release && i + 1 < end) i = skip(i, end, kw_savepoint);
  if (i + 1 != end || !is_name(i, end)) fail("unknown_syntax", i);
}

void StatementReader::session_statement(const char* name) {
  out_.kind = StatementKind::set;
  out_.session_change = true;
  out_.set_name = name;
}

// EXPLAIN [options] statement; MySQL's EXPLAIN table.
void StatementReader::explain(std::size_t i, std::size_t end) {
  bool executes = false;
  ++i;
  if (is_symbol(i, end, '(') && postgresql() && !starts_query(i + 1, token(i).match)) {
    for (const std::size_t close = token(i).match; i < close; ++i) {
      if (is(i, end, kw_analyze) || is(i, end, kw_analyse)) executes = true;
    }
    ++i;
  }
  for (bool option = true; option;) {
    option = false;
    if (is(i, end, kw_analyze) || (is(i, end, kw_analyse) && postgresql())) {
      executes = option = true;
      ++i;
    } else if (is(i, end, kw_verbose) || is(i, end, kw_extended) || is(i, end, kw_partitions)) {
      option = true;
      ++i;
    } else if (is(i, end, kw_format) && is_symbol(i + 1, end, '=')) {
      option = true;
      i += 3;
    } else if (is(i, end, kw_query) && is(i + 1, end, kw_plan)) {
      option = true;
      i += 2;
    }
  }
  const bool statement_follows = is(i, end, kw_select) || is(i, end, kw_with) || is(i, end, kw_values) ||
                                 is(i, end, kw_table) || is(i, end, kw_insert) || is(i, end, kw_replace) ||
                                 is(i, end, kw_update) || is(i, end, kw_delete) || is(i, end, kw_merge) ||
                                 (is(i, end, kw_create) && postgresql()) || is_symbol(i, end, '(');
  if (statement_follows) {
    statement(i, end, true);
    if (failed_ || (executes && out_.kind != StatementKind::select)) return;
    out_.writes.clear();
  } else if (!mysql() || executes || !is_name(i, end) || token(i).keyword != none) {
    return fail("unknown_statement", i);
  }
  out_.kind = StatementKind::explain;
  unreadable("not_a_select", "explain");
}

}  // namespace cache_me
