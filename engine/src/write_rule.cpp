#include <algorithm>
#include <array>

#include "bands.hpp"
#include "cache_me/dependency_rules.hpp"
#include "dependency_words.hpp"

namespace cache_me {
namespace {

// More dependencies than this of one statement: bulk says the same.
constexpr std::size_t kMostOfOneWrite = 160;

// Other names of SQLite's integer primary key.
bool names_the_rowid(const std::vector<std::string>& columns) {
  static constexpr std::array<std::string_view, 3> kNames = {"rowid", "_rowid_", "oid"};
  return std::any_of(columns.begin(), columns.end(), [](const std::string& column) {
    return std::find(kNames.begin(), kNames.end(), column) != kNames.end();
  });
}

bool is_null(const OutlineValue& value, const Parameters& parameters) {
  return value.kind == OutlineValue::Kind::null ||
         (value.kind == OutlineValue::Kind::placeholder && parameters.is_null(value.placeholder));
}

bool fits(const KnownValue& value, std::uint32_t most_characters) {
  if (value.type != ValueType::text || most_characters == 0) return true;
  const auto begins_character = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; };
  return static_cast<std::size_t>(std::count_if(value.bytes.begin(), value.bytes.end(), begins_character)) <=
         most_characters;
}

}  // namespace

WriteRule::WriteRule(const TokenStream& stream, const Statement& statement, const TableFactsByName& tables)
    : outline_(outline_write(stream, statement)), mysql_(stream.dialect == Dialect::mysql) {
  if (statement.writes.empty()) return;
  table_ = statement.writes.front().name;
  const auto found = tables.find(table_);
  if (!outline_.located || found == tables.end() || found->second->primary_key.empty()) return;
  facts_ = found->second;
  if (names_the_rowid(outline_.columns)) return;
  // A column that the catalog doesn't know, or one twice: nothing here is understood.
  for (std::size_t n = 0; n < outline_.columns.size(); ++n) {
    const auto begin = outline_.columns.begin();
    if (facts_->column(outline_.columns[n]) == nullptr) return;
    if (std::find(begin, begin + static_cast<std::ptrdiff_t>(n), outline_.columns[n]) !=
        begin + static_cast<std::ptrdiff_t>(n)) {
      return;
    }
  }
  const std::vector<std::string>& primary_key = facts_->primary_key;
  const auto is_key = [&](const std::string& name) {
    return std::find(primary_key.begin(), primary_key.end(), name) != primary_key.end();
  };
  whole_ = true;
  for (const ColumnFacts& column : facts_->columns) {
    value_prefixes_.push_back(value_prefix(table_, column.name));
    const auto at = std::find(outline_.columns.begin(), outline_.columns.end(), column.name);
    position_of_.push_back(at == outline_.columns.end() ? -1 : at - outline_.columns.begin());
    if (position_of_.back() < 0 && !is_key(column.name) && !column.computed) whole_ = false;
  }
  banded_ = banded_columns(*facts_);
  for (const std::size_t n : banded_) {
    const ColumnFacts& column = facts_->columns[n];
    band_hints_.push_back(dependency_of("banded", table_, column.name));
    unbanded_.push_back(dependency_of("unbanded", table_, column.name));
  }
  if (outline_.kind == StatementKind::insert) {
    whole_ = exact_ = true;
    may_act_ = false;
    return;
  }
  // A computed key goes by the columns that it is made of.
  const auto is_computed = [&](const std::string& name) { return facts_->column(name)->computed; };
  if (outline_.kind == StatementKind::update &&
      (std::any_of(outline_.columns.begin(), outline_.columns.end(), is_key) ||
       std::any_of(primary_key.begin(), primary_key.end(), is_computed))) {
    return;
  }
  for (const std::string& name : primary_key) {
    const auto pin = std::find_if(outline_.pins.begin(), outline_.pins.end(), [&](const Pin& one) {
      return one.column == name && (one.values.size() == 1 || primary_key.size() == 1);
    });
    if (pin == outline_.pins.end()) return;
    key_.push_back(static_cast<std::size_t>(pin - outline_.pins.begin()));
  }
  exact_ = true;
}

void WriteRule::bulk(DependencyList& out) const {
  add(out, "any", table_);
  add(out, "bulk", table_);
}

void WriteRule::dependencies(const Parameters& parameters, bool trusts_values, std::uint64_t hinted,
                             DependencyList& out) const {
  if (!exact_) return bulk(out);
  const std::size_t hashes = out.hashes.size();
  const std::size_t words = out.words.size();
  bool located = true;
  std::uint64_t unbanded = ~hinted;
  add(out, "any", table_);
  if (outline_.kind == StatementKind::insert) {
    for (const std::vector<OutlineValue>& row : outline_.rows) {
      new_row(row, parameters, trusts_values, unbanded, out);
      if (out.hashes.size() - hashes > kMostOfOneWrite) break;
    }
  } else {
    located = located_rows(parameters, out);
    if (located && outline_.kind == StatementKind::update) {
      const std::vector<OutlineValue>& row = outline_.rows.front();
      if (whole_) {
        values_of(row, parameters, trusts_values, unbanded, out);
      } else {
        for (const std::string& column : outline_.columns) add(out, "set", table_, column);
        for (const ColumnFacts& column : facts_->columns) {
          if (column.computed) add(out, "set", table_, column.name);
        }
      }
    }
  }
  if (located && whole_) {
    for (std::size_t n = 0; n < banded_.size(); ++n) {
      if ((unbanded >> n & 1) == 0) continue;
      out.hashes.push_back(unbanded_[n]);
      if (out.in_words) out.words.push_back(joined(table_, ".", facts_->columns[banded_[n]].name) + "≈?");
    }
  }
  if (located && out.hashes.size() - hashes <= kMostOfOneWrite) return;
  out.hashes.resize(hashes);
  out.words.resize(words);
  bulk(out);
}

bool WriteRule::located_rows(const Parameters& parameters, DependencyList& out) const {
  const std::vector<std::string>& columns = facts_->primary_key;
  const std::size_t count = columns.size() == 1 ? outline_.pins[key_[0]].values.size() : 1;
  if (count > kMostWrittenRows) return false;
  std::vector<KnownValue> key(columns.size());
  for (std::size_t n = 0; n < count; ++n) {
    for (std::size_t part = 0; part < columns.size(); ++part) {
      key[part] = known(outline_.pins[key_[part]].values[n], parameters, facts_->column(columns[part])->type);
      if (key[part].type == ValueType::none) return false;
    }
    add_row(out, table_, key);
  }
  return true;
}

void WriteRule::new_row(const std::vector<OutlineValue>& row, const Parameters& parameters, bool trusts,
                        std::uint64_t& unbanded, DependencyList& out) const {
  std::vector<KnownValue> key;
  for (const std::string& name : facts_->primary_key) {
    const auto column = static_cast<std::size_t>(facts_->column(name) - facts_->columns.data());
    bool null = false;
    KnownValue value = written(column, row, parameters, trusts, null);
    // MySQL makes an automatic key of nought.
    if (mysql_ && value.type == ValueType::integer && value.number == 0) value = {};
    if (value.type == ValueType::none) {
      add(out, "unknown", table_, name);
    } else {
      key.push_back(value);
    }
  }
  if (key.size() == facts_->primary_key.size()) add_row(out, table_, key);
  values_of(row, parameters, trusts, unbanded, out);
}

// What the row is as a whole: its known values, and what isn't known of it.
void WriteRule::values_of(const std::vector<OutlineValue>& row, const Parameters& parameters, bool trusts,
                          std::uint64_t& unbanded, DependencyList& out) const {
  const std::vector<std::string>& key = facts_->primary_key;
  for (std::size_t n = 0; n < facts_->columns.size(); ++n) {
    const ColumnFacts& column = facts_->columns[n];
    if (column.type == ValueType::none) continue;
    if (key.size() == 1 && key[0] == column.name) continue;  // never a pivot
    bool null = false;
    const KnownValue value = written(n, row, parameters, trusts, null);
    if (null) continue;
    if (value.type == ValueType::none) {
      add(out, "unknown", table_, column.name);
    } else {
      add_value(out, value_prefixes_[n], table_, column.name, value);
    }
  }
  bands_of(row, parameters, trusts, unbanded, out);
}

void WriteRule::bands_of(const std::vector<OutlineValue>& row, const Parameters& parameters, bool trusts,
                         std::uint64_t& unbanded, DependencyList& out) const {
  for (std::size_t n = 0; n < banded_.size(); ++n) {
    if ((unbanded >> n & 1) != 0) continue;  // that says all
    const ColumnFacts& column = facts_->columns[banded_[n]];
    const OutlineValue* value = given(banded_[n], row, trusts);
    if (value != nullptr && is_null(*value, parameters)) continue;
    const auto place = value == nullptr ? std::nullopt : place_of(*value, parameters, column);
    if (place && place->exact) {
      add_bands_of(out, table_, column.name, place->at);
    } else {
      unbanded |= std::uint64_t{1} << n;
    }
  }
}

KnownValue WriteRule::written(std::size_t column, const std::vector<OutlineValue>& row,
                              const Parameters& parameters, bool trusts, bool& null) const {
  const ColumnFacts& facts = facts_->columns[column];
  const OutlineValue* found = given(column, row, trusts);
  if (found == nullptr) return {};
  null = is_null(*found, parameters);
  if (null) return {};
  const KnownValue value = known(*found, parameters, facts.type);
  return fits(value, facts.most_characters) ? value : KnownValue{};
}

// What the statement says of that column; null: nothing that could be relied on.
const OutlineValue* WriteRule::given(std::size_t column, const std::vector<OutlineValue>& row,
                                     bool trusts) const {
  if (position_of_[column] < 0 || facts_->columns[column].computed || !trusts) return nullptr;
  return &row[static_cast<std::size_t>(position_of_[column])];
}

}  // namespace cache_me
