// The things that an answer can rest on, each reduced to a 64-bit hash: DESIGN.md's D.all, T.any, T.bulk,
// T.pk=v, T.col=v and what is unknown of a column.
//
// The hashes are shared by every process, release and project on the host: what is hashed never changes. A
// database needs no name in them, for each physical database has a version table of its own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cache_me {

// Types whose equality in the database is the equality of their values here.
enum class ValueType : std::uint8_t {
  none,     // any other: nothing of that column is ever known
  integer,  // 64 bits, signed
  boolean,
  uuid,
  date,
  text,     // with a collation that compares bytes
  decimal,  // told of by its text; only where values are cut into bands
};

// A value of a parameter, a literal or a row. `none`: not known.
struct KnownValue {
  ValueType type = ValueType::none;
  std::int64_t number = 0;  // of an integer, a boolean, a date (days since 1970-01-01)
  std::string_view bytes;   // of a uuid (16), a text (UTF-8) or a decimal (its digits)
};

// "any", "bulk", "permanent" of a table.
std::uint64_t dependency_of(std::string_view kind, std::string_view table);
// T~col: "set", col was set in a row whose other columns stayed. T?col: "unknown", a row was written as a
// whole, with a value of col that isn't known. T.col≈?: "unbanded", a row was written as a whole, and the
// band of its value isn't told. "banded" is bumped by no write: its version says that somebody asks for
// bands.
std::uint64_t dependency_of(std::string_view kind, std::string_view table, std::string_view column);
// T.col=v
std::uint64_t value_dependency(std::string_view table, std::string_view column, const KnownValue& value);
// The same in two parts, for columns whose values are many.
std::string value_prefix(std::string_view table, std::string_view column);
std::uint64_t value_dependency(std::string_view prefix, const KnownValue& value);
// T.col≈n: a row was written as a whole whose value of col lies in the band n of that level.
std::uint64_t band_dependency(std::string_view table, std::string_view column, int level, std::int64_t band);
// T.pk=v: the values of all columns of the primary key, in the catalog's order.
std::uint64_t row_dependency(std::string_view table, std::span<const KnownValue> key);

// A date as text, YYYY-MM-DD, as days since 1970-01-01. False: it is no such text.
bool days_of_date(std::string_view text, std::int64_t& days);
// The same of its parts (Howard Hinnant, days_from_civil,
// http://howardhinnant.github.io/date_algorithms.html).
std::int64_t days_of_date(int year, unsigned month, unsigned day);

}  // namespace cache_me
