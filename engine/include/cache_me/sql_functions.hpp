// What the scanner knows of SQL functions.
#pragma once

#include <string_view>

#include "cache_me/sql_lexer.hpp"

namespace cache_me {

enum class FunctionNature : std::uint8_t {
  unknown,        // may do anything
  deterministic,  // its result depends on its arguments, the rows read and settings that are part of the key
  volatile_,      // its result changes by itself, but it changes no rows of tables and nothing of the session
  session,        // changes what later statements of the session answer
};

// `name` in lower case, without a schema. Pure; safe in any thread.
FunctionNature nature_of_function(std::string_view name, Dialect dialect) noexcept;

// Words that are values by themselves and change by the clock or the session (CURRENT_TIMESTAMP …), in lower
// case.
bool is_volatile_word(std::string_view name, Dialect dialect) noexcept;

}  // namespace cache_me
