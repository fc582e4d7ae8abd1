#include "bands.hpp"

#include <algorithm>
#include <string>

namespace cache_me {
namespace {

// Greater places than these may be rounded by a database that compares decimals as binary floating point.
constexpr std::int64_t kMostPlace = std::int64_t{1} << 50;

bool is_digit(char byte) noexcept {
  return byte >= '0' && byte <= '9';
}

void add_band(DependencyList& out, std::string_view table, std::string_view column, int level,
              std::int64_t band) {
  out.hashes.push_back(band_dependency(table, column, level, band));
  if (!out.in_words) return;
  const int bits = kBandBits[static_cast<std::size_t>(level)];
  std::string text = joined(table, ".", column).append("≈").append(std::to_string(band << bits));
  if (bits != 0) text.append("..").append(std::to_string(((band + 1) << bits) - 1));
  out.words.push_back(std::move(text));
}

}  // namespace

std::vector<std::size_t> banded_columns(const TableFacts& table) {
  constexpr std::size_t kMost = 64;
  std::vector<std::size_t> found;
  for (std::size_t n = 0; n < table.columns.size() && found.size() < kMost; ++n) {
    const ColumnFacts& column = table.columns[n];
    const bool has_places =
        column.type == ValueType::integer || column.type == ValueType::date || column.digits >= 0;
    const bool is_key = table.primary_key.size() == 1 && table.primary_key[0] == column.name;
    if (has_places && !is_key) found.push_back(n);
  }
  return found;
}

bool may_rest_on_bands(const TableFacts& table, const ColumnFacts& column) noexcept {
  return std::find(table.primary_key.begin(), table.primary_key.end(), column.name) ==
             table.primary_key.end() &&
         std::none_of(table.foreign_keys.begin(), table.foreign_keys.end(),
                      [&](const ForeignKeyFacts& key) { return key.column == column.name; });
}

std::optional<Place> place_of_decimal(std::string_view text, int digits) {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  std::string_view rest = text.substr(std::min(point + 1, text.size()));
  if (whole.empty() || !std::all_of(whole.begin(), whole.end(), is_digit) ||
      !std::all_of(rest.begin(), rest.end(), is_digit)) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  for (const char byte : whole) {
    number = number * 10 + (byte - '0');
    if (number > kMostPlace) return std::nullopt;
  }
  for (int digit = 0; digit < digits; ++digit) {
    number *= 10;
    if (!rest.empty()) {
      number += rest.front() - '0';
      rest.remove_prefix(1);
    }
    if (number > kMostPlace) return std::nullopt;
  }
  const bool exact = std::all_of(rest.begin(), rest.end(), [](char byte) { return byte == '0'; });
  if (negative) number = exact ? -number : -number - 1;
  return Place{number, exact};
}

std::optional<Place> place_of(const OutlineValue& value, const Parameters& parameters,
                              const ColumnFacts& column) {
  if (column.digits < 0) {
    const KnownValue known_value = known(value, parameters, column.type);
    if (known_value.type == ValueType::none || known_value.number > kMostPlace ||
        known_value.number < -kMostPlace) {
      return std::nullopt;
    }
    return Place{known_value.number, true};
  }
  switch (value.kind) {
    case OutlineValue::Kind::integer:
      return place_of_decimal(std::to_string(value.integer), column.digits);
    case OutlineValue::Kind::text:
      return place_of_decimal(value.text, column.digits);
    case OutlineValue::Kind::placeholder: {
      const KnownValue given = parameters.parameter(value.placeholder, ValueType::decimal);
      return given.type == ValueType::none ? std::nullopt : place_of_decimal(given.bytes, column.digits);
    }
    default:
      return std::nullopt;
  }
}

void add_bands_of(DependencyList& out, std::string_view table, std::string_view column, std::int64_t place) {
  for (std::size_t level = 0; level < kBandBits.size(); ++level) {
    add_band(out, table, column, static_cast<int>(level), place >> kBandBits[level]);
  }
}

bool add_bands_between(DependencyList& out, std::string_view table, std::string_view column,
                       std::int64_t least, std::int64_t most) {
  for (std::size_t level = 0; level < kBandBits.size(); ++level) {
    const std::int64_t first = least >> kBandBits[level];
    const std::int64_t last = most >> kBandBits[level];
    if (last - first >= kMostBands) continue;
    for (std::int64_t band = first; band <= last; ++band) {
      add_band(out, table, column, static_cast<int>(level), band);
    }
    return true;
  }
  return false;
}

}  // namespace cache_me
