// SQL text as tokens, by the rules of one dialect.
//
// The lexer decides where text, identifiers and comments begin and end, so that the scanner never takes what
// stands in a literal for a table. Where the answer depends on a server setting that can't be seen here (a
// backslash before a quote, say) it gives up instead of guessing. One pass, linear time, nothing is copied:
// tokens point into the text, which must outlive them. Pure; safe in any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cache_me {

enum class Dialect : std::uint8_t { sqlite, postgresql, mysql };

enum class SqlTokenKind : std::uint8_t {
  word,               // an unquoted identifier or keyword
  quoted_identifier,  // with its quotes
  text,               // a string literal, with its quotes and prefix
  number,
  placeholder,  // %s, %(name)s, ?, ?1, $1, :name
  punctuation,  // one of ( ) [ ] , ; .
  operation,    // any other run of operator characters
};

struct SqlToken {
  SqlTokenKind kind;
  std::string_view text;

  bool is(char punctuation_mark) const noexcept {
    return kind == SqlTokenKind::punctuation && text.front() == punctuation_mark;
  }
  // Whether this is the unquoted word `upper` (given in capitals), in any case.
  bool is_word(std::string_view upper) const noexcept;
};

inline constexpr std::size_t kMaxSqlTokens = 1u << 18;

// The tokens of `sql`, without comments. False if the text can't be told apart for sure: an unfinished quote
// or comment, a stray byte, an executable comment of MySQL, an ambiguous backslash, or more than
// kMaxSqlTokens.
bool lex_sql(std::string_view sql, Dialect dialect, std::vector<SqlToken>& tokens);

// The name in an identifier token: unquoted, and folded as the dialect compares names of tables (PostgreSQL:
// unquoted ones in lower case; SQLite and MySQL: all in lower case, ASCII only).
std::string identifier_name(const SqlToken& token, Dialect dialect);

// ASCII letters in lower case; all other bytes as they are.
std::string ascii_lower(std::string_view text);

}  // namespace cache_me
