// Adding to a DependencyList, with the words that explain it. Internal to the engine.
#pragma once

#include <string>
#include <string_view>

#include "cache_me/dependency_rules.hpp"

namespace cache_me {

std::string words_of(const KnownValue& value);

inline std::string joined(std::string_view table, std::string_view sign, std::string_view what) {
  std::string text(table);
  text.append(sign).append(what);
  return text;
}

inline void add(DependencyList& out, std::string_view kind, std::string_view table) {
  out.hashes.push_back(dependency_of(kind, table));
  if (out.in_words) out.words.push_back(joined(table, ".", kind));
}

// "set", "unknown" and "unbanded" of a column.
inline void add(DependencyList& out, std::string_view kind, std::string_view table, std::string_view column) {
  out.hashes.push_back(dependency_of(kind, table, column));
  if (!out.in_words) return;
  if (kind == "unbanded") return out.words.push_back(joined(table, ".", column).append("≈?"));
  out.words.push_back(joined(table, kind == "set" ? "~" : "?", column));
}

// `prefix` is value_prefix() of the column.
inline void add_value(DependencyList& out, std::string_view prefix, std::string_view table,
                      std::string_view column, const KnownValue& value) {
  out.hashes.push_back(value_dependency(prefix, value));
  if (out.in_words) out.words.push_back(joined(table, ".", column).append("=").append(words_of(value)));
}

inline void add_row(DependencyList& out, std::string_view table, std::span<const KnownValue> key) {
  out.hashes.push_back(row_dependency(table, key));
  if (!out.in_words) return;
  std::string text = joined(table, ".", "pk=");
  for (std::size_t n = 0; n < key.size(); ++n) text.append(n != 0 ? "," : "").append(words_of(key[n]));
  out.words.push_back(std::move(text));
}

// A parameter or literal as a value of that type.
inline KnownValue known(const OutlineValue& value, const Parameters& parameters, ValueType type) {
  if (value.kind == OutlineValue::Kind::placeholder) return parameters.parameter(value.placeholder, type);
  if (value.kind == OutlineValue::Kind::integer && type == ValueType::integer) {
    return {ValueType::integer, value.integer, {}};
  }
  if (value.kind == OutlineValue::Kind::text && type == ValueType::text) {
    return {ValueType::text, 0, value.text};
  }
  return {};
}

}  // namespace cache_me
