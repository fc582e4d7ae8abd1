#include "sql_outline_reader.hpp"

#include <charconv>

namespace cache_me {

using enum Keyword;

OutlineReader::OutlineReader(const TokenStream& stream, const Statement& statement)
    : stream_(stream), first_(statement.begin_token) {
  std::uint32_t count = 0;
  ordinals_.reserve(statement.end_token - first_ + 1);
  for (std::size_t i = first_; i < statement.end_token; ++i) {
    ordinals_.push_back(count);
    if (token(i).flags & (kAmbiguousQuote | kPlaceholderInside)) readable_ = false;
    if (token(i).kind != TokenKind::placeholder) continue;
    const std::string_view raw = stream_.raw(i);
    if (raw != "%s" && raw != "?") positional_ = false;
    ++count;
  }
  ordinals_.push_back(count);
  // Of several statements in one text the parameters are counted through.
  if (first_ != 0) positional_ = false;
}

std::uint32_t OutlineReader::placeholders_before(std::size_t i) const {
  return ordinals_[i - first_];
}

OutlineName OutlineReader::name_at(std::size_t i, std::size_t end) const {
  OutlineName name{i, i, 0};
  if (!is_name(i, end)) return name;
  name.end = i + 1;
  name.parts = 1;
  while (
      is_symbol(name.end, end, '.') && name.end + 1 < end &&
      (token(name.end + 1).kind == TokenKind::word || token(name.end + 1).kind == TokenKind::quoted_name)) {
    name.end += 2;
    ++name.parts;
  }
  return name;
}

TableName OutlineReader::table_of(const OutlineName& name) const {
  TableName table;
  table.name = folded(name.end - 1);
  if (name.parts > 1) table.schema = folded(name.end - 3);
  return table;
}

std::optional<OutlineReader::Named> OutlineReader::named(const OutlineName& name) const {
  if (name.parts == 1) return Named{{}, folded(name.begin)};
  if (name.parts == 2) return Named{folded(name.begin), folded(name.end - 1)};
  return std::nullopt;
}

OutlineValue OutlineReader::value(std::size_t begin, std::size_t end) const {
  OutlineValue value;
  if (end != begin + 1) return value;
  const std::string_view raw = stream_.raw(begin);
  switch (token(begin).kind) {
    case TokenKind::placeholder:
      if (!positional_) break;
      value.kind = OutlineValue::Kind::placeholder;
      value.placeholder = placeholders_before(begin);
      break;
    case TokenKind::number: {
      const auto [stop, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value.integer);
      if (error == std::errc() && stop == raw.data() + raw.size()) value.kind = OutlineValue::Kind::integer;
      break;
    }
    case TokenKind::text:
      // No prefix, and nothing in it that means something else than itself in some dialect or mode.
      if (raw.size() < 2 || raw.front() != '\'' || raw.back() != '\'') break;
      if (raw.substr(1, raw.size() - 2).find_first_of("'\\%") != std::string_view::npos) break;
      value.kind = OutlineValue::Kind::text;
      value.text = raw.substr(1, raw.size() - 2);
      break;
    default:
      if (token(begin).keyword == kw_null) value.kind = OutlineValue::Kind::null;
      break;
  }
  return value;
}

std::pair<std::size_t, std::size_t> OutlineReader::stripped(std::size_t begin, std::size_t end) const {
  while (begin < end && is_symbol(begin, end, '(') && token(begin).match + 1 == end) {
    ++begin;
    --end;
  }
  return {begin, end};
}

bool OutlineReader::is_conjunction(std::size_t begin, std::size_t end) const {
  for (std::size_t i = begin; i < end; i = next(i)) {
    switch (keyword(i)) {
      case kw_or:
      case kw_case:  // its WHEN may hold an AND
      case kw_select:
        return false;
      default:
        break;
    }
    if (stream_.dialect != Dialect::mysql) continue;
    // MySQL: || is OR as a rule, and XOR binds weaker than AND too.
    if (is_symbol(i, end, '|') && is_symbol(i + 1, end, '|')) return false;
    if (token(i).kind == TokenKind::word && lower_ascii(stream_.raw(i)) == "xor") return false;
  }
  return true;
}

}  // namespace cache_me
