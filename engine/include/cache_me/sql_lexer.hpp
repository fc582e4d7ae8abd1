// Cuts SQL text into tokens, by the rules of SQLite, PostgreSQL or MySQL/MariaDB.
//
// Contract: a token stream is either true to how that database would cut the text, or it carries an error and
// must not be used. Where the cut depends on a setting that the text does not show (backslashes before
// quotes, executable comments, placeholders inside comments), that is an error, never a guess. Text that the
// database would reject may be cut in any way, since it will do nothing.
//
// Invariant: tokens lie inside the text, in order, without overlap; each "(" and "[" knows its partner. Time
// and memory are linear in the text; nesting and the number of tokens are bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cache_me {

enum class Dialect : std::uint8_t { sqlite, postgresql, mysql };

// Words that the scanner gives a meaning to. A keyword is only ever an unquoted word.
#define CACHE_ME_SQL_KEYWORDS(X)                                                                              \
  X(abort) X(add) X(against) X(all) X(alter) X(analyse) X(analyze) X(and) X(any) X(array) X(as) X(asc)        \
  X(atomic) X(attach) X(authorization) X(begin) X(between) X(binary) X(by) X(cascade) X(case) X(cast)         \
  X(chain) X(character) X(characteristics) X(checkpoint) X(collate) X(comment) X(commit) X(concurrently)      \
  X(conflict) X(constraints) X(continue) X(create) X(cross) X(default) X(deferred) X(delayed) X(delete)       \
  X(desc) X(describe) X(detach) X(discard) X(distinct) X(do) X(drop) X(duplicate) X(else) X(end)              \
  X(event) X(except) X(exchange) X(exclusive) X(exists) X(explain) X(extended) X(false) X(fetch) X(filter)    \
  X(first) X(for) X(force) X(format) X(from) X(full) X(function) X(global) X(group) X(grouping) X(having)     \
  X(high_priority) X(if) X(ignore) X(ilike) X(immediate) X(in) X(index) X(indexed) X(inherit) X(inner)        \
  X(insert) X(intersect) X(interval) X(into) X(is) X(isolation) X(join) X(key) X(last) X(lateral) X(left)     \
  X(like) X(limit) X(listen) X(local) X(lock) X(low_priority) X(matched) X(materialized) X(merge) X(minus)    \
  X(names) X(natural) X(next) X(no) X(not) X(nothing) X(notify) X(null) X(nulls) X(of) X(offset) X(on)        \
  X(only) X(operator) X(or) X(order) X(ordinality) X(outer) X(over) X(overriding) X(package) X(partition)     \
  X(partitions) X(plan) X(pragma) X(prepared) X(procedure) X(query) X(quick) X(read) X(recursive) X(release)  \
  X(rename) X(replace) X(reset) X(restart) X(restrict) X(returning) X(right) X(role) X(rollback) X(rollup)    \
  X(row) X(rows) X(savepoint) X(schema) X(select) X(session) X(set) X(sets) X(share) X(show) X(similar)       \
  X(snapshot) X(some) X(sql_calc_found_rows) X(start) X(straight_join) X(system) X(table) X(tablesample)      \
  X(temp) X(temporary) X(then) X(ties) X(time) X(to) X(transaction) X(trigger) X(true) X(truncate) X(union)   \
  X(unique) X(unlisten) X(unlogged) X(update) X(use) X(user) X(using) X(vacuum) X(value) X(values) X(verbose) \
  X(virtual) X(when) X(where) X(window) X(with) X(within) X(without) X(work) X(write) X(zone)

enum class Keyword : std::uint16_t {
  none,  // any other word, and every token that is no word
#define CACHE_ME_SQL_KEYWORD(word) kw_##word,
  CACHE_ME_SQL_KEYWORDS(CACHE_ME_SQL_KEYWORD)
#undef CACHE_ME_SQL_KEYWORD
};

enum class TokenKind : std::uint8_t {
  word,         // an unquoted name or keyword
  quoted_name,  // "x", `x` or [x]; in MySQL also "x", which is text unless ANSI_QUOTES is on: kAmbiguousQuote
  text,         // a string, bit string or blob in any notation, prefix included
  number,
  placeholder,  // %s, %(name)s, ?, ?1, :name, @name (SQLite), $1
  symbol,       // punctuation and operators, one character each; "::" is one token, with symbol ':'
};

// Bits of Token::flags.
inline constexpr std::uint8_t kClockWord = 1;  // PostgreSQL: text that holds now, today, tomorrow, yesterday
inline constexpr std::uint8_t kEscapedText =
    2;  // text whose value is not what it looks like (E'\..', U&'..')
inline constexpr std::uint8_t kPlaceholderInside =
    4;                                              // text or a name that holds %s: some drivers fill it in
inline constexpr std::uint8_t kAmbiguousQuote = 8;  // MySQL "x"

struct Token {
  std::uint32_t begin = 0;  // byte offsets into the text, quotes included
  std::uint32_t end = 0;
  std::uint32_t match = 0;  // of ( ) [ ]: the index of the partner
  Keyword keyword = Keyword::none;
  TokenKind kind = TokenKind::symbol;
  char symbol = '\0';  // of a symbol: its character
  std::uint8_t flags = 0;
};

inline constexpr std::size_t kMaxSqlTokens = std::size_t{1} << 18;
inline constexpr std::size_t kMaxSqlNesting = 150;

struct TokenStream {
  std::string_view text;  // the caller's; must outlive the stream
  Dialect dialect = Dialect::sqlite;
  std::vector<Token> tokens;
  const char* error = nullptr;  // a stable snake_case code, or nullptr: see the list in sql_scanner.hpp

  std::string_view raw(std::size_t index) const noexcept {
    const Token& token = tokens[index];
    return text.substr(token.begin, token.end - token.begin);
  }
};

// Never throws but for memory; pure; safe in any thread. The stream refers to `text`.
TokenStream tokenize_sql(std::string_view text, Dialect dialect);

// The name that a word or quoted name stands for, quotes undone, folded as the database compares it: SQLite
// and MySQL to ASCII lower case, PostgreSQL the unquoted only. Other tokens: the raw text in lower case.
std::string folded_name(const TokenStream& stream, std::size_t index);

// ASCII lower case.
std::string lower_ascii(std::string_view text);

}  // namespace cache_me
