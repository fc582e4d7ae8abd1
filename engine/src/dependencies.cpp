#include "cache_me/dependencies.hpp"

#include <cstring>

#include "cache_me/hash.hpp"

namespace cache_me {
namespace {

// What is hashed: the parts with a zero byte between them, as Python's face has written them ever since.
void append_part(std::string& text, std::string_view part) {
  text.push_back('\0');
  text.append(part);
}

void append_value(std::string& text, const KnownValue& value) {
  text.push_back('\0');
  text.push_back(static_cast<char>('0' + static_cast<int>(value.type)));
  if (value.type == ValueType::uuid || value.type == ValueType::text) {
    const std::uint64_t size = value.bytes.size();
    text.append(reinterpret_cast<const char*>(&size), sizeof size);
    text.append(value.bytes);
  } else {
    text.append(reinterpret_cast<const char*>(&value.number), sizeof value.number);
  }
}

// Used again and again, so that hashing allocates nothing.
std::string& scratch(std::string_view kind) {
  thread_local std::string text;
  text.assign(kind);
  return text;
}

}  // namespace

std::uint64_t dependency_of(std::string_view kind, std::string_view table) {
  std::string& text = scratch(kind);
  append_part(text, table);
  return hash64(text);
}

std::uint64_t dependency_of(std::string_view kind, std::string_view table, std::string_view column) {
  std::string& text = scratch(kind);
  append_part(text, table);
  append_part(text, column);
  return hash64(text);
}

std::string value_prefix(std::string_view table, std::string_view column) {
  std::string text("value");
  append_part(text, table);
  append_part(text, column);
  return text;
}

std::uint64_t value_dependency(std::string_view prefix, const KnownValue& value) {
  std::string& text = scratch(prefix);
  append_value(text, value);
  return hash64(text);
}

std::uint64_t value_dependency(std::string_view table, std::string_view column, const KnownValue& value) {
  return value_dependency(value_prefix(table, column), value);
}

std::uint64_t band_dependency(std::string_view table, std::string_view column, int level, std::int64_t band) {
  std::string& text = scratch("band");
  append_part(text, table);
  append_part(text, column);
  text.push_back('\0');
  text.push_back(static_cast<char>('0' + level));
  text.append(reinterpret_cast<const char*>(&band), sizeof band);
  return hash64(text);
}

std::uint64_t row_dependency(std::string_view table, std::span<const KnownValue> key) {
  std::string& text = scratch("row");
  append_part(text, table);
  for (const KnownValue& value : key) append_value(text, value);
  return hash64(text);
}

std::int64_t days_of_date(int year, unsigned month, unsigned day) {
  const int y = year - (month <= 2 ? 1 : 0);
  const int era = (y >= 0 ? y : y - 399) / 400;
  const auto of_era = static_cast<unsigned>(y - era * 400);
  const unsigned of_year = (153 * (month + (month > 2 ? -3U : 9U)) + 2) / 5 + day - 1;
  const unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
  return std::int64_t{era} * 146097 + std::int64_t{days} - 719468;
}

bool days_of_date(std::string_view text, std::int64_t& days) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  unsigned parts[3] = {0, 0, 0};
  std::size_t part = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 4 || i == 7) {
      ++part;
    } else if (text[i] >= '0' && text[i] <= '9') {
      parts[part] = parts[part] * 10 + static_cast<unsigned>(text[i] - '0');
    } else {
      return false;
    }
  }
  // Days that don't exist have no place among the others, but SQLite stores and compares their text.
  static constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (parts[0] < 1 || parts[1] < 1 || parts[1] > 12) return false;
  const bool leaps = parts[1] == 2 && parts[0] % 4 == 0 && (parts[0] % 100 != 0 || parts[0] % 400 == 0);
  if (parts[2] < 1 || parts[2] > kDays[parts[1] - 1] + (leaps ? 1U : 0U)) return false;
  days = days_of_date(static_cast<int>(parts[0]), parts[1], parts[2]);
  return true;
}

}  // namespace cache_me
