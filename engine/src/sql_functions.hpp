// What the scanner knows about functions and types by name. Internal to the engine.
#pragma once

#include <cstdint>
#include <string_view>

#include "cache_me/sql_lexer.hpp"

namespace cache_me {

enum class FunctionClass : std::uint8_t {
  deterministic,   // depends on its arguments and the session's settings alone
  clock_argument,  // SQLite's date functions: deterministic unless an argument is absent, 'now', 'localtime'
                   // or 'utc'
  volatile_,       // changes by itself, but writes nothing
  session,         // depends on who asks or on what the connection did before; writes nothing
  side_effect,     // may write, lock, signal, or run SQL that it is handed
  unknown,
};

// `name` in lower case, without a schema. Names are looked up as the built-in ones: a user's function that
// shadows one of them under the same name is expected to be no less deterministic than it.
FunctionClass classify_function(std::string_view name, Dialect dialect) noexcept;

// The class that a function has when it is called with `arguments` arguments, where that matters
// (PostgreSQL's one-argument age(), MySQL's unix_timestamp()).
FunctionClass classify_call(std::string_view name, std::size_t arguments, Dialect dialect) noexcept;

// Words that are function calls without parentheses: CURRENT_TIMESTAMP, USER … In lower case.
FunctionClass classify_bare_word(std::string_view word, Dialect dialect) noexcept;

// Whether a PostgreSQL type's input and casts depend on nothing but the value and the session's settings.
bool is_plain_type(std::string_view name) noexcept;

}  // namespace cache_me
