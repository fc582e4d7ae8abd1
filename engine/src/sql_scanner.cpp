#include "cache_me/sql_scanner.hpp"

#include <utility>

#include "sql_reader.hpp"

namespace cache_me {
namespace {

constexpr std::size_t kMaxStatements = 1024;

Script unknown_script(const TokenStream& stream, const char* reason) {
  Statement statement;
  statement.reason = reason;
  statement.end_token = static_cast<std::uint32_t>(stream.tokens.size());
  Script script;
  script.statements.push_back(std::move(statement));
  return script;
}

// CREATE TRIGGER, FUNCTION …: its body may hold semicolons that end none of our statements.
bool may_hold_a_body(const TokenStream& stream, std::size_t begin, std::size_t end) {
  const Keyword first = stream.tokens[begin].keyword;
  if (first != Keyword::kw_create && first != Keyword::kw_alter) return false;
  bool routine = false;
  bool body = stream.dialect != Dialect::postgresql;  // PostgreSQL's are strings, but for BEGIN ATOMIC
  for (std::size_t i = begin; i < end; ++i) {
    switch (stream.tokens[i].keyword) {
      case Keyword::kw_trigger:
      case Keyword::kw_function:
      case Keyword::kw_procedure:
      case Keyword::kw_event:
      case Keyword::kw_package:
      case Keyword::kw_schema:
        routine = true;
        break;
      case Keyword::kw_atomic:
        body = true;
        break;
      default:
        break;
    }
  }
  return routine && body;
}

}  // namespace

const char* name_of(StatementKind kind) noexcept {
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
      break;
  }
  return "unknown";
}

Script scan_sql(const TokenStream& stream) {
  if (stream.error) return unknown_script(stream, stream.error);
  Script script;
  bool body = false;
  const std::size_t count = stream.tokens.size();
  for (std::size_t begin = 0, end = 0; begin < count; begin = end + 1) {
    end = begin;
    while (end < count && stream.tokens[end].symbol != ';') ++end;
    if (begin == end) continue;
    if (script.statements.size() >= kMaxStatements) return unknown_script(stream, "too_many_tokens");
    if (body) return unknown_script(stream, "unknown_syntax");
    Statement statement;
    statement.begin_token = static_cast<std::uint32_t>(begin);
    statement.end_token = static_cast<std::uint32_t>(end);
    StatementReader(stream, statement).read(begin, end);
    script.statements.push_back(std::move(statement));
    body = may_hold_a_body(stream, begin, end);
  }
  return script;
}

Script scan_sql(std::string_view text, Dialect dialect) {
  return scan_sql(tokenize_sql(text, dialect));
}

}  // namespace cache_me
