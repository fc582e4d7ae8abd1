// Reads the body of a query or of a statement that writes rows: tables, functions, subqueries.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache_me/sql_scanner.hpp"

namespace cache_me {

// One pass over a statement's tokens. `at()` only grows, so the time is linear; parentheses recurse, with a
// bound.
class SqlQueryReader {
 public:
  SqlQueryReader(std::span<const SqlToken> tokens, Dialect dialect, Statement& out)
      : tokens_(tokens), dialect_(dialect), out_(out) {}

  // Reads a statement that begins with SELECT, VALUES, WITH, INSERT, REPLACE, UPDATE, DELETE, MERGE or "("
  // from token `begin` to the end, and sets kind, tables and the rest. False: not understood at all.
  bool read(std::size_t begin);

 private:
  enum class Context { query, expression, from_group };
  struct Scope {
    std::vector<std::string> ctes;
    const Scope* outer;
  };

  bool read_statement(const Scope* outer);
  bool read_with(Scope& scope);
  bool read_verb(Scope& scope);
  bool read_insert(const Scope* scope);
  bool read_update(const Scope* scope);
  bool read_delete(const Scope* scope);
  bool read_merge(const Scope* scope);
  bool read_region(Context context, const Scope* scope, std::string_view function);
  bool read_parenthesis(const Scope* scope, std::string_view function);
  bool read_from_item(const Scope* scope);
  bool read_word(Context context, bool& in_from, const Scope* scope);
  bool read_table_name(TableName& table);
  void skip_alias();
  void call(const SqlToken& name);
  void note_write(TableName table, StatementKind kind);
  void unreadable(std::string_view reason, std::string_view detail = {});
  bool is_cte(const TableName& table, const Scope* scope) const;

  bool done() const { return at_ >= tokens_.size(); }
  const SqlToken& token(std::size_t ahead = 0) const {
    static const SqlToken kEnd{SqlTokenKind::operation, {}};
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : kEnd;
  }
  const SqlToken& before(std::size_t back = 1) const {
    static const SqlToken kBegin{SqlTokenKind::operation, {}};
    return at_ >= back ? tokens_[at_ - back] : kBegin;
  }
  bool ahead_is(std::string_view word) const { return token().is_word(word); }
  bool skip_word(std::string_view word) {
    if (!ahead_is(word)) return false;
    ++at_;
    return true;
  }
  bool is_name(const SqlToken& candidate) const {
    return candidate.kind == SqlTokenKind::word || candidate.kind == SqlTokenKind::quoted_identifier;
  }

  const std::span<const SqlToken> tokens_;
  const Dialect dialect_;
  Statement& out_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool from_is_written_ = false;  // MySQL's multi-table UPDATE and DELETE
};

}  // namespace cache_me
