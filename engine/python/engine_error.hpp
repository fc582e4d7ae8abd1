// Statuses of the engine as Python exceptions.
#pragma once

#include <nanobind/nanobind.h>

#include "cache_me/status.hpp"

namespace cache_me::python {

// Adds EngineError to the module: `args` are the message and the code's name ("denied", "no_space" …).
void register_engine_error(nanobind::module_& module);

[[noreturn]] void raise_status(const Status& status);

// The value, or EngineError raised.
template <typename T>
T value_of(Result<T> result) {
  if (!result.ok()) raise_status(result.status());
  return std::move(result).value();
}

}  // namespace cache_me::python
