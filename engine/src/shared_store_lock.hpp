// The lock of a shard: one 32-bit word in shared memory that names its holder. Private to the store.
//
// The invariant: the word is 0 or the OwnerId of the process that holds the lock. It goes from 0 to a holder,
// from a holder to 0 by that holder, and from a *dead* holder to a living one; each by compare-and-swap. Ids
// are never used again (owner_records.hpp), so a word that is still the same after its owner was found dead
// is still that owner's. Two threads of one process have the same id: the word says "held", and a thread only
// gets it from 0, so it never takes its sibling's lock for its own.
//
// Nobody waits for ever: a holder may be stopped, or so busy that it doesn't get to run.
#pragma once

#include <atomic>
#include <cstdint>

#include "cache_me/owner_records.hpp"

namespace cache_me {

inline constexpr std::uint64_t kLockWaitNs = 20'000'000;      // the longest wait for a living holder
inline constexpr std::uint64_t kLockProbeNs = 1'000'000;      // how often a waiter asks whether it lives
inline constexpr std::uint64_t kLockBackOffNs = 100'000'000;  // after a wait in vain, we only spin

// Held from a successful construction to the end of the scope.
class ShardLock {
 public:
  // `owner` is this process's id, not 0. `back_off_until` is this process's own for that lock (coarse_ns()).
  ShardLock(std::atomic<std::uint32_t>& word, std::uint32_t owner, const OwnerRecords& owners,
            std::atomic<std::uint64_t>& back_off_until) noexcept
      : word_(word), owner_(owner) {
    std::uint32_t nobody = 0;
    held_ =
        word_.compare_exchange_strong(nobody, owner, std::memory_order_acquire, std::memory_order_relaxed) ||
        wait(owners, back_off_until);
  }
  ~ShardLock() {
    if (held_) release();
  }
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;

  bool held() const noexcept { return held_; }

 private:
  bool wait(const OwnerRecords& owners, std::atomic<std::uint64_t>& back_off_until) noexcept;

  // By compare-and-swap: if others have (wrongly) taken us for dead, the lock is theirs now.
  void release() noexcept {
    std::uint32_t mine = owner_;
    word_.compare_exchange_strong(mine, 0, std::memory_order_release, std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t>& word_;
  const std::uint32_t owner_;
  bool held_ = false;
};

}  // namespace cache_me
