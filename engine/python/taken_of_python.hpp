// What a miss has taken, as Python holds it.
#pragma once

#include <memory>

#include "cache_me/taken.hpp"
#include "py_ref.hpp"

namespace cache_me::python {

struct TakenOfPython {
  std::shared_ptr<const Terms> terms;
  std::shared_ptr<const VersionTable> table;
  PyRef parameters;
  Taken taken;
};

}  // namespace cache_me::python
