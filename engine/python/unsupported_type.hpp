// UnsupportedType: how Python is told of a value that the codec doesn't know.
#pragma once

#include <nanobind/nanobind.h>

#include "row_codec.hpp"

namespace cache_me::python {

// Adds UnsupportedType, a TypeError, to the module: `args` are the type's name and the column (-1: none).
void register_unsupported_type(nanobind::module_& module);

void raise_unless_encoded(Encoded outcome, const Unknown& unknown);

}  // namespace cache_me::python
