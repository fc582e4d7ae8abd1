// SET and PRAGMA: what they change for later statements.
#include <algorithm>

#include "sql_reader.hpp"

namespace cache_me {

using enum Keyword;

namespace {

// Variables that shape no answer: they end statements early, or say what is checked on writing.
bool is_harmless_variable(std::string_view name) {
  return one_of(name,
                {"autocommit", "foreign_key_checks", "unique_checks", "statement_timeout", "lock_timeout",
                 "idle_in_transaction_session_timeout", "transaction_timeout", "innodb_lock_wait_timeout",
                 "lock_wait_timeout", "application_name", "client_min_messages", "wait_timeout",
                 "max_statement_time", "max_execution_time", "net_read_timeout", "net_write_timeout"});
}

bool is_transaction_variable(std::string_view name) {
  return one_of(name, {"transaction_isolation", "tx_isolation", "transaction_read_only", "tx_read_only",
                       "transaction_deferrable", "default_transaction_isolation",
                       "default_transaction_read_only", "default_transaction_deferrable"});
}

bool is_reading_pragma(std::string_view name) {
  return one_of(name, {"foreign_keys",    "defer_foreign_keys", "foreign_key_check", "foreign_key_list",
                       "table_info",      "table_xinfo",        "table_list",        "index_list",
                       "index_info",      "index_xinfo",        "journal_mode",      "synchronous",
                       "cache_size",      "busy_timeout",       "wal_checkpoint",    "wal_autocheckpoint",
                       "integrity_check", "quick_check",        "optimize",          "mmap_size",
                       "temp_store",      "page_size",          "page_count",        "freelist_count",
                       "database_list",   "collation_list",     "compile_options"});
}

// With an argument these change how this connection answers, and nothing that is stored.
bool is_session_pragma(std::string_view name) {
  return one_of(name,
                {"case_sensitive_like", "recursive_triggers", "reverse_unordered_selects", "read_uncommitted",
                 "query_only", "ignore_check_constraints", "automatic_index", "count_changes",
                 "full_column_names", "short_column_names", "trusted_schema", "threads", "locking_mode",
                 "analysis_limit", "cache_spill", "cell_size_check", "legacy_alter_table"});
}

}  // namespace

void StatementReader::set(std::size_t i, std::size_t end) {
  if (sqlite()) return fail("unknown_statement", i);
  out_.kind = StatementKind::set;
  ++i;
  if (postgresql() && is(i, end, kw_constraints)) return harmless();             // when they are checked
  if (is(i, end, kw_global)) return fail("unknown_syntax", i);                   // of every session to come
  if (mysql() && is_word(i, end, "password")) return fail("unknown_syntax", i);  // writes, and commits
  const bool of_session = is(i, end, kw_session);
  if (of_session || is(i, end, kw_local)) ++i;
  if (is(i, end, kw_transaction) || is(i, end, kw_characteristics)) {
    out_.sets_transaction = true;
    out_.session_change = of_session || mysql();  // MySQL: of the next one, or of all (LOCAL too)
    out_.set_name = "transaction";
    return;
  }
  out_.session_change = true;
  if (is(i, end, kw_role)) {
    out_.set_name = "role";
  } else if (is(i, end, kw_names)) {
    out_.set_name = "names";
  } else if (is(i, end, kw_character)) {
    out_.set_name = "character_set";
  } else if (postgresql() && is(i, end, kw_time)) {
    out_.set_name = "timezone";
  } else if (postgresql() && is(i, end, kw_authorization)) {
    out_.set_name = "session_authorization";
  } else if (postgresql() && is(i, end, kw_schema)) {
    out_.set_name = "search_path";
  } else {
    set_variables(i, end);
  }
}

// name {TO|=} value; MySQL: several, each [SESSION] name, @@[session.]name or @name, with any expression as
// value.
void StatementReader::set_variables(std::size_t i, std::size_t end) {
  bool change = false;
  for (bool first = true; !failed_; first = false) {
    if (mysql() && (is(i, end, kw_session) || is(i, end, kw_local))) ++i;
    const bool user_variable = is_symbol(i, end, '@') && !is_symbol(i + 1, end, '@') && mysql();
    if (is_symbol(i, end, '@') && mysql()) i += user_variable ? 1 : 2;
    if (is_word(i, end, "charset") && mysql()) {
      out_.set_name = "character_set";
      break;
    }
    NameChain chain = name_chain(i, end);
    if (chain.parts == 2 && mysql() && (is(i, end, kw_session) || is(i, end, kw_local))) {
      chain = name_chain(i + 2, end);
    }
    if (chain.parts == 0 || (mysql() && chain.parts != 1)) return fail("unknown_syntax", i);
    const std::string name = lower_ascii(chain_text(chain));
    i = chain.end;
    if (user_variable) {
      if (i < end && token(i).kind == TokenKind::symbol && token(i).symbol == '\0') ++i;  // the : of :=
    } else if (i + 1 < end && token(i).kind == TokenKind::symbol && token(i).symbol == '\0') {
      ++i;
    }
    if (!is_symbol(i, end, '=') && !(postgresql() && is(i, end, kw_to))) return fail("unknown_syntax", i);
    if (first) out_.set_name = (user_variable ? "@" : "") + name;
    // It commits: the caller must see it, and sees the first name alone.
    if (!first && name == "autocommit") return fail("unknown_syntax", i);
    if (!user_variable && is_transaction_variable(name)) out_.sets_transaction = true;
    if (user_variable || !is_harmless_variable(name)) change = true;
    ++i;
    if (postgresql()) break;  // words and literals
    while (!failed_ && i < end && !is_symbol(i, end, ',')) i = expression_step(i, end, {});
    if (i >= end) break;
    ++i;
    if (is(i, end, kw_global)) return fail("unknown_syntax", i);
  }
  out_.session_change = out_.session_change && change;
  if (out_.set_name == "names" || out_.set_name == "character_set") out_.session_change = true;
}

void StatementReader::pragma(std::size_t i, std::size_t end) {
  out_.kind = StatementKind::pragma;
  const NameChain chain = name_chain(i + 1, end);
  if (chain.parts < 1 || chain.parts > 2) return fail("unknown_syntax", i);
  const std::string name = folded_name(stream_, chain.end - 1);
  out_.set_name = name;
  out_.pragma_argument = chain.end < end;
  if (is_reading_pragma(name)) return;
  if (!out_.pragma_argument) {
    out_.session_change = !one_of(name, {"user_version", "schema_version", "encoding", "application_id"});
  } else if (is_session_pragma(name)) {
    out_.session_change = true;
  } else {
    fail("unknown_statement", chain.end - 1);
  }
}

}  // namespace cache_me
