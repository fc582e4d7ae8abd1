// Python's time.monotonic().
#pragma once

#include <ctime>

namespace cache_me::python {

// In seconds.
inline double monotonic() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace cache_me::python
