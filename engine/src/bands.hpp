// Values of a column cut into bands, for answers that a range bounds: dependency_rules.hpp, "by band".
//
// A value's place is a whole number, and places are in the order in which the database compares the values:
// of an integer the number itself, of a date its day, of a decimal the number of units of its last digit.
// Bands are 1, 64, 64² and 64³ places wide. A writer names the band of its value at each level; a reader
// takes the finest level at which its range is few bands. Internal to the engine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "cache_me/dependency_rules.hpp"
#include "dependency_words.hpp"

namespace cache_me {

// Widths of the levels' bands, as powers of two.
inline constexpr std::array<int, 4> kBandBits = {0, 6, 12, 18};
// More than this of one range: it is too wide for that level.
inline constexpr std::int64_t kMostBands = 66;

// The columns whose values have places, at most 64: writers say of each in which bands its value lies, or
// that they don't say. Not among them is a single primary key, which no write changes.
std::vector<std::size_t> banded_columns(const TableFacts& table);

// Whether readers may rest on bands of that one of banded_columns(). Not of parts of a primary key, which the
// database may make itself (MySQL's AUTO_INCREMENT), nor of an enforced foreign key, whose order means
// nothing.
bool may_rest_on_bands(const TableFacts& table, const ColumnFacts& column) noexcept;

struct Place {
  std::int64_t at = 0;  // the largest place that isn't greater than the value
  bool exact = false;   // it is the value's
};

// The place of a parameter or literal; nothing: it isn't known.
std::optional<Place> place_of(const OutlineValue& value, const Parameters& parameters,
                              const ColumnFacts& column);

// A decimal's text as units of the last of so many digits behind the point; nothing: it is no plain number,
// or a very large one.
std::optional<Place> place_of_decimal(std::string_view text, int digits);

// Adds the bands of the value at that place, at every level.
void add_bands_of(DependencyList& out, std::string_view table, std::string_view column, std::int64_t place);

// Adds the bands that [least, most] touches, at one level. False: they are too many at every level.
bool add_bands_between(DependencyList& out, std::string_view table, std::string_view column,
                       std::int64_t least, std::int64_t most);

}  // namespace cache_me
