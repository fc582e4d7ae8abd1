// What outlines of selects and of writes have in common: names, values, conjunctions. Internal to the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache_me/sql_outline.hpp"

namespace cache_me {

// A name with its qualifiers: tokens [begin, end), the last part at end - 1.
struct OutlineName {
  std::size_t begin = 0, end = 0;
  std::size_t parts = 0;
};

class OutlineReader {
 public:
  OutlineReader(const TokenStream& stream, const Statement& statement);

  // False: something stands in the text whose meaning rests on the session's settings.
  bool readable() const noexcept { return readable_; }

  const Token& token(std::size_t i) const { return stream_.tokens[i]; }
  // `none` for what stands behind a dot: a name, whatever the word.
  Keyword keyword(std::size_t i) const {
    const bool behind_a_dot = i > 0 && is_symbol(i - 1, i, '.');
    return behind_a_dot ? Keyword::none : token(i).keyword;
  }
  bool is(std::size_t i, std::size_t end, Keyword word) const { return i < end && keyword(i) == word; }
  bool is_symbol(std::size_t i, std::size_t end, char symbol) const {
    return i < end && token(i).kind == TokenKind::symbol && token(i).symbol == symbol &&
           token(i).end - token(i).begin == 1;
  }
  // A name that can't be a keyword of the grammar.
  bool is_name(std::size_t i, std::size_t end) const {
    return i < end && (token(i).kind == TokenKind::quoted_name ||
                       (token(i).kind == TokenKind::word && token(i).keyword == Keyword::none));
  }
  // Behind the token, or behind the whole group that it opens.
  std::size_t next(std::size_t i) const {
    return is_symbol(i, stream_.tokens.size(), '(') || is_symbol(i, stream_.tokens.size(), '[')
               ? token(i).match + 1
               : i + 1;
  }
  std::string folded(std::size_t i) const { return folded_name(stream_, i); }
  OutlineName name_at(std::size_t i, std::size_t end) const;
  TableName table_of(const OutlineName& name) const;

  // The value that the tokens [begin, end) are.
  OutlineValue value(std::size_t begin, std::size_t end) const;
  // How many placeholders stand before token i.
  std::uint32_t placeholders_before(std::size_t i) const;

  // A column that is named: its qualifier (empty if none) and its name. Nothing for what has more parts.
  struct Named {
    std::string qualifier, column;
  };
  std::optional<Named> named(const OutlineName& name) const;

  // Without the parentheses around the whole of [begin, end).
  std::pair<std::size_t, std::size_t> stripped(std::size_t begin, std::size_t end) const;

  // Calls visit(name, values) for each conjunct `name = value` and `name IN (values)` of the condition in
  // [begin, end): bounded by AND, the condition's ends, or the parentheses around a conjunction.
  template <typename Visit>
  void pins(std::size_t begin, std::size_t end, Visit visit) const {
    conjuncts(begin, end, [&](std::size_t from, std::size_t to) { pin(from, to, visit); });
  }

  // The same for `name >= value`, `name BETWEEN value AND value` and their like: visit(name, is_least,
  // value).
  template <typename Visit>
  void bounds(std::size_t begin, std::size_t end, Visit visit) const {
    conjuncts(begin, end, [&](std::size_t from, std::size_t to) { bound(from, to, visit); });
  }

 private:
  template <typename Visit>
  void conjuncts(std::size_t begin, std::size_t end, Visit visit) const;
  // Whether AND at the top level of [begin, end) separates conjuncts, and nothing binds weaker than it there.
  bool is_conjunction(std::size_t begin, std::size_t end) const;
  template <typename Visit>
  void pin(std::size_t begin, std::size_t end, Visit& visit) const;
  template <typename Visit>
  void bound(std::size_t begin, std::size_t end, Visit& visit) const;

  const TokenStream& stream_;
  std::vector<std::uint32_t> ordinals_;  // of tokens from first_ on: placeholders before each
  std::size_t first_ = 0;
  bool readable_ = true;
  bool positional_ = true;
};

// NULL is equal to nothing.
inline bool is_a_value(const OutlineValue& value) {
  return value.kind != OutlineValue::Kind::other && value.kind != OutlineValue::Kind::null;
}

template <typename Visit>
void OutlineReader::conjuncts(std::size_t begin, std::size_t end, Visit visit) const {
  std::vector<std::pair<std::size_t, std::size_t>> waiting{{begin, end}};
  while (!waiting.empty()) {
    const auto [from, to] = stripped(waiting.back().first, waiting.back().second);
    waiting.pop_back();
    if (!is_conjunction(from, to)) continue;
    std::size_t start = from;
    int betweens = 0;  // x BETWEEN a AND b: that AND separates nothing
    for (std::size_t i = from; i <= to; i = i < to ? next(i) : i + 1) {
      if (i < to && is(i, to, Keyword::kw_between)) ++betweens;
      if (i < to && !is(i, to, Keyword::kw_and)) continue;
      if (i < to && betweens > 0) {
        --betweens;
        continue;
      }
      if (is_symbol(start, i, '(') && token(start).match + 1 == i) {
        waiting.emplace_back(start, i);
      } else {
        visit(start, i);
      }
      start = i + 1;
    }
  }
}

template <typename Visit>
void OutlineReader::pin(std::size_t begin, std::size_t end, Visit& visit) const {
  const OutlineName name = name_at(begin, end);
  if (name.parts == 0) return;
  std::size_t i = name.end;
  if (is_symbol(i, end, '=')) {
    std::vector<OutlineValue> values{value(i + 1, end)};
    if (is_a_value(values[0])) visit(name, std::move(values));
    return;
  }
  if (!is(i, end, Keyword::kw_in) || !is_symbol(i + 1, end, '(') || token(i + 1).match + 1 != end) return;
  std::vector<OutlineValue> values;
  const std::size_t close = token(i + 1).match;
  for (i += 2; i <= close; ++i) {
    const std::size_t start = i;
    while (i < close && !is_symbol(i, close, ',')) i = next(i);
    values.push_back(value(start, i));
    if (!is_a_value(values.back())) return;
  }
  visit(name, std::move(values));
}

template <typename Visit>
void OutlineReader::bound(std::size_t begin, std::size_t end, Visit& visit) const {
  const OutlineName name = name_at(begin, end);
  if (name.parts == 0) return;
  std::size_t i = name.end;
  if (is(i, end, Keyword::kw_between)) {
    if (i + 4 != end || !is(i + 2, end, Keyword::kw_and)) return;
    const OutlineValue least = value(i + 1, i + 2);
    const OutlineValue most = value(i + 3, end);
    if (is_a_value(least)) visit(name, true, least);
    if (is_a_value(most)) visit(name, false, most);
    return;
  }
  const bool is_least = is_symbol(i, end, '>');
  if (!is_least && !is_symbol(i, end, '<')) return;
  ++i;
  if (is_symbol(i, end, '=')) ++i;
  const OutlineValue given = value(i, end);  // of <>, << and their like none
  if (is_a_value(given)) visit(name, is_least, given);
}

}  // namespace cache_me
