// Collection of young objects while a batch is built finds nothing, and costs as much as building an
// instance.
#pragma once

#include "compat.hpp"

namespace cache_me::python {

// Pauses the cyclic collector for as long as it lives, if `wanted`.
class CollectorPause {
 public:
  explicit CollectorPause(bool wanted) : resume_(wanted && compat::pause_collector()) {}
  ~CollectorPause() {
    if (resume_) compat::resume_collector();
  }
  CollectorPause(const CollectorPause&) = delete;
  CollectorPause& operator=(const CollectorPause&) = delete;

 private:
  bool resume_;
};

// Rows that are built in one pause: more would let garbage of others grow without bound.
inline constexpr unsigned kRowsPerPause = 4096;

}  // namespace cache_me::python
