// Reads one statement from a token stream into a Statement. Internal to the engine.
//
// Invariant: the reader goes over its tokens from left to right, each group in parentheses by one level of
// recursion (the lexer bounds the nesting), and either explains every token by a rule below or calls fail(),
// which makes the statement unknown. What it finds on the way stays recorded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "cache_me/sql_lexer.hpp"
#include "cache_me/sql_scanner.hpp"
#include "sql_functions.hpp"

namespace cache_me {

inline bool one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Distinct tables, functions or CTEs that one statement may name; what names more is unknown.
inline constexpr std::size_t kMaxNames = 256;

// What surrounds an expression.
struct SqlContext {
  bool dml = false;  // the clauses of INSERT, UPDATE, DELETE, MERGE: RETURNING, ON CONFLICT, SET …
  bool from_argument = false;  // EXTRACT(YEAR FROM x) and the like
  bool for_argument = false;   // SUBSTRING(x FROM 1 FOR 2)
  bool cast = false;           // CAST(x AS type)
};

class StatementReader {
 public:
  StatementReader(const TokenStream& stream, Statement& statement) : stream_(stream), out_(statement) {}

  // Reads the tokens [begin, end), which must not be empty.
  void read(std::size_t begin, std::size_t end);

 private:
  using Context = SqlContext;
  struct Cte {
    std::string name;                                    // folded
    std::string spelling;                                // as written, quotes undone
    enum class Scope { visible, unsure, hidden } scope;  // hidden: the name means a table here
  };
  struct NameChain {
    std::size_t begin = 0, end = 0;  // tokens; the last part is at end - 1
    std::size_t parts = 0;
  };

  // sql_reader.cpp: statements that are no queries.
  void statement(std::size_t begin, std::size_t end, bool top);
  void transaction_start(std::size_t i, std::size_t end);
  void transaction_end(std::size_t i, std::size_t end);
  void savepoint(std::size_t i, std::size_t end);
  void set(std::size_t i, std::size_t end);
  void set_variables(std::size_t i, std::size_t end);
  void pragma(std::size_t i, std::size_t end);
  void explain(std::size_t i, std::size_t end);
  void session_statement(const char* name);
  void harmless() { out_.kind = StatementKind::other_harmless; }

  // sql_write_reader.cpp: statements that write, and DDL. Each takes the index of its first keyword.
  void insert(std::size_t i, std::size_t end);
  void update(std::size_t i, std::size_t end);
  void delete_from(std::size_t i, std::size_t end);
  void merge(std::size_t i, std::size_t end);
  void truncate(std::size_t i, std::size_t end);
  void create(std::size_t i, std::size_t end);
  void create_table(std::size_t i, std::size_t end);
  void alter(std::size_t i, std::size_t end);
  void drop(std::size_t i, std::size_t end);
  void rename_table(std::size_t i, std::size_t end);
  std::size_t written_list(std::size_t i, std::size_t end);
  void finish_write(std::size_t i, std::size_t end);
  std::size_t written_table(std::size_t i, std::size_t end);
  std::size_t skip_modifiers(std::size_t i, std::size_t end);
  void write_kind(StatementKind kind);

  // sql_query_reader.cpp: queries, FROM, expressions. Those that return an index return the first token that
  // they did not read.
  void query(std::size_t i, std::size_t end, Context context = {});
  std::size_t with_clause(std::size_t i, std::size_t end);
  std::size_t clauses(std::size_t i, std::size_t end, Context context);
  std::size_t select_into(std::size_t i, std::size_t end);
  std::size_t locking_clause(std::size_t i, std::size_t end);
  std::size_t from_list(std::size_t i, std::size_t end);
  std::size_t after_item(std::size_t i, std::size_t end);
  std::size_t from_item(std::size_t i, std::size_t end);
  std::size_t from_table(std::size_t i, std::size_t end);
  std::size_t table_hints(std::size_t i, std::size_t end);
  std::size_t cte_header(std::size_t i, std::size_t end) const;
  std::size_t alias(std::size_t i, std::size_t end);
  std::size_t join_keyword(std::size_t i, std::size_t end) const;
  bool ends_from(std::size_t i, std::size_t end) const;
  void expressions(std::size_t i, std::size_t end, Context context);
  std::size_t expression_step(std::size_t i, std::size_t end, Context context);
  std::size_t word_step(std::size_t i, std::size_t end, Context context);
  std::size_t group(std::size_t open, Context context = {});
  std::size_t function_call(const NameChain& chain, std::size_t open);
  void check_clock_arguments(const std::string& name, std::size_t begin, std::size_t end,
                             std::size_t arguments);
  std::size_t type_name(std::size_t i, std::size_t end);
  std::size_t as_label(std::size_t i, std::size_t end, Context context);
  bool is_distinct_from(std::size_t i) const;
  bool is_set_operator(std::size_t i, std::size_t end) const;
  bool starts_query(std::size_t begin, std::size_t end) const;
  bool is_plain_group(Keyword keyword, std::size_t i) const;
  std::size_t sqlite_in(std::size_t i, std::size_t end);
  void text(std::size_t i, std::size_t end);

  // Names.
  NameChain name_chain(std::size_t i, std::size_t end) const;
  bool table_name(const NameChain& chain, TableName& name) const;
  std::string chain_text(const NameChain& chain) const;
  std::string spelling(std::size_t i) const;
  void add_read(const NameChain& chain);
  bool add_write(const NameChain& chain);
  template <typename T>
  bool add_once(std::vector<T>& list, T value);

  // Tokens.
  bool sqlite() const { return stream_.dialect == Dialect::sqlite; }
  bool postgresql() const { return stream_.dialect == Dialect::postgresql; }
  bool mysql() const { return stream_.dialect == Dialect::mysql; }
  const Token& token(std::size_t i) const { return stream_.tokens[i]; }
  Keyword keyword(std::size_t i, std::size_t end) const { return i < end ? token(i).keyword : Keyword::none; }
  bool is(std::size_t i, std::size_t end, Keyword word) const { return keyword(i, end) == word; }
  bool is_symbol(std::size_t i, std::size_t end, char symbol) const {
    return i < end && token(i).kind == TokenKind::symbol && token(i).symbol == symbol;
  }
  bool is_word(std::size_t i, std::size_t end, std::string_view lower_case) const;
  bool is_name(std::size_t i, std::size_t end) const {
    return i < end && (token(i).kind == TokenKind::word || token(i).kind == TokenKind::quoted_name);
  }
  std::size_t skip(std::size_t i, std::size_t end, Keyword word) const {
    return is(i, end, word) ? i + 1 : i;
  }
  // skip() of IF [NOT] EXISTS.
  std::size_t skip_if_exists(std::size_t i, std::size_t end) const;

  // Makes the statement unknown. The first reason stands.
  void fail(const char* reason, std::size_t i);
  void unreadable(const char* reason, std::string detail);

  const TokenStream& stream_;
  Statement& out_;
  std::vector<Cte> ctes_;
  bool dml_ = false;  // inside INSERT, UPDATE, DELETE or MERGE
  bool failed_ = false;
  bool blocked_ = false;  // a reason stands
};

}  // namespace cache_me
