// The dialects by their names in Python, which are Django's vendors.
#pragma once

#include <nanobind/nanobind.h>

#include <string_view>

#include "cache_me/sql_lexer.hpp"

namespace cache_me::python {

inline Dialect dialect_named(std::string_view name) {
  if (name == "sqlite") return Dialect::sqlite;
  if (name == "postgresql") return Dialect::postgresql;
  if (name == "mysql") return Dialect::mysql;
  throw nanobind::value_error("dialect must be 'sqlite', 'postgresql' or 'mysql'");
}

}  // namespace cache_me::python
