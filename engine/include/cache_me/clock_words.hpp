// PostgreSQL's words for the time of the statement, in a text that may become a date or a timestamp.
//
// 'now', 'today', 'tomorrow' and 'yesterday' are read as such by its date and time input
// (https://www.postgresql.org/docs/current/datatype-datetime.html, special values), alone or in a longer
// text of any length: blanks and commas don't count, and arrays and ranges may be written as text, too.
#pragma once

#include <string_view>

namespace cache_me {

// Whether one of them stands in `text` with no letter of ASCII beside it, in whatever case.
bool has_clock_word(std::string_view text) noexcept;

}  // namespace cache_me
