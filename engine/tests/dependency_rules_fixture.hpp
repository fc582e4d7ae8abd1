// The rules in words, over four small tables: what a read rests on, what a write bumps.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cache_me/dependency_rules.hpp"

namespace cache_me::rules_in_words {

using Value = std::variant<std::monostate, std::int64_t, std::string>;
using Row = std::vector<Value>;

inline KnownValue as_known(const Value& value, ValueType type) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    if (type == ValueType::integer) return {type, *number, {}};
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (type == ValueType::text || type == ValueType::decimal) return {type, 0, *text};
    KnownValue date{type, 0, {}};
    if (type == ValueType::date && days_of_date(*text, date.number)) return date;
  }
  return {};
}

class TestParameters : public Parameters {
 public:
  explicit TestParameters(Row values) : values_(std::move(values)) {}
  KnownValue parameter(std::uint32_t position, ValueType type) const override {
    return position < values_.size() ? as_known(values_[position], type) : KnownValue{};
  }
  bool is_null(std::uint32_t position) const override {
    return position < values_.size() && std::holds_alternative<std::monostate>(values_[position]);
  }

 private:
  Row values_;
};

class TestRows : public ResultRows {
 public:
  explicit TestRows(std::vector<Row> rows) : rows_(std::move(rows)) {}
  std::size_t rows() const override { return rows_.size(); }
  Cell cell(std::size_t row, std::size_t column, ValueType type, KnownValue& value) const override {
    if (column >= rows_[row].size()) return Cell::unknown;
    if (std::holds_alternative<std::monostate>(rows_[row][column])) return Cell::null;
    value = as_known(rows_[row][column], type);
    return value.type == ValueType::none ? Cell::unknown : Cell::known;
  }

 private:
  std::vector<Row> rows_;
};

inline TableFactsByName tables() {
  TableFacts p;
  p.name = "p";
  p.columns = {{"id", ValueType::integer, 0, false}, {"c", ValueType::integer, 0, false},
               {"name", ValueType::text, 5, false},  {"price", ValueType::none, 0, false, 2},
               {"made", ValueType::date, 0, false},  {"total", ValueType::integer, 0, true}};
  p.primary_key = {"id"};
  p.foreign_keys = {{"c", "c", "id"}};
  TableFacts c;
  c.name = "c";
  c.columns = {{"id", ValueType::integer, 0, false},
               {"name", ValueType::text, 0, false},
               {"parent", ValueType::integer, 0, false}};
  c.primary_key = {"id"};
  TableFacts pair;
  pair.name = "pair";
  pair.columns = {{"a", ValueType::integer, 0, false},
                  {"b", ValueType::integer, 0, false},
                  {"x", ValueType::integer, 0, false}};
  pair.primary_key = {"a", "b"};
  TableFacts link;
  link.name = "link";
  link.columns = {{"id", ValueType::integer, 0, false},
                  {"p", ValueType::integer, 0, false},
                  {"tag", ValueType::integer, 0, false}};
  link.primary_key = {"id"};
  link.foreign_keys = {{"p", "p", "id"}};
  TableFactsByName all;
  for (TableFacts* one : {&p, &c, &pair, &link}) all[one->name] = std::make_shared<const TableFacts>(*one);
  return all;
}

inline std::string sorted(DependencyList list) {
  EXPECT_EQ(list.hashes.size(), list.words.size());
  std::sort(list.words.begin(), list.words.end());
  std::string text;
  for (const std::string& word : list.words) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

// What a read rests on, the sorted words of its early and late dependencies.
inline std::string rests_on(std::string_view sql, Row parameters = {}, std::vector<Row> rows = {},
                            std::optional<std::vector<Row>> witnesses = std::nullopt,
                            Dialect dialect = Dialect::postgresql) {
  const TokenStream stream = tokenize_sql(sql, dialect);
  const Script script = scan_sql(stream);
  EXPECT_TRUE(script.statements.size() == 1 && script.statements[0].readable)
      << sql << " " << script.statements[0].reason << " " << script.statements[0].detail;
  const ReadRule rule(stream, script.statements[0], tables());
  const TestParameters values(std::move(parameters));
  DependencyList list{{}, true, {}};
  const ReadRule::Footing footing = rule.before(values, true, list);
  const TestRows result(std::move(rows));
  if (footing.needs_witnesses) {
    EXPECT_FALSE(rule.witness_sql().empty());
    const TestRows behind(witnesses.value_or(std::vector<Row>{}));
    rule.after(footing, values, result, &behind, list);
  } else {
    EXPECT_FALSE(witnesses) << sql;
    rule.after(footing, values, result, nullptr, list);
  }
  return sorted(std::move(list));
}

// What a write bumps, but for bands that nobody has asked for.
inline std::string bumps(std::string_view sql, Row parameters = {}, Dialect dialect = Dialect::postgresql,
                         bool trusts = true) {
  const TokenStream stream = tokenize_sql(sql, dialect);
  const Script script = scan_sql(stream);
  EXPECT_EQ(script.statements.size(), 1U) << sql;
  const WriteRule rule(stream, script.statements[0], tables());
  DependencyList list{{}, true, {}};
  rule.dependencies(TestParameters(std::move(parameters)), trusts, 0, list);
  std::erase_if(list.words, [](const std::string& word) { return word.ends_with("≈?"); });
  list.hashes.resize(list.words.size());
  return sorted(std::move(list));
}

constexpr std::int64_t operator""_i(unsigned long long value) {
  return static_cast<std::int64_t>(value);
}

}  // namespace cache_me::rules_in_words
