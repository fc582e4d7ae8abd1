// Which entry goes when there is no room: SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi: "SIEVE is Simpler than
// LRU", NSDI 2024). Private to the store.
//
// Entries stand in a queue by age. A hit only sets the entry's `visited`. A hand goes from the oldest to the
// newest and round again: it clears `visited` where it is set and leaves the entry in its place, and evicts
// the first one where it isn't. So one-hit entries go soon, and a hit writes one word and moves nothing.
//
// Our one change: a search looks at no more than kMostLooks entries and evicts the last one whatever it says,
// so that a put's time under the lock is bounded.
#pragma once

#include <cstdint>

#include "shared_store_shard.hpp"

namespace cache_me {

class EvictionQueue {
 public:
  static constexpr int kMostLooks = 64;

  explicit EvictionQueue(Shard& shard) noexcept : shard_(shard) {}

  // All only by the holder of the shard's lock; false, and kNone, mean that the shard is unsound.
  bool add(std::uint32_t index) noexcept;
  bool remove(std::uint32_t index) noexcept;
  std::uint32_t victim() noexcept;  // not removed yet; the queue isn't empty

 private:
  Shard& shard_;
};

}  // namespace cache_me
