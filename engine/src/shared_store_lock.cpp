#include "shared_store_lock.hpp"

#include <time.h>

#include <algorithm>

namespace cache_me {
namespace {

constexpr int kSpins = 64;
constexpr long kFirstSleepNs = 20'000;
constexpr long kLongestSleepNs = 500'000;

void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

std::uint64_t monotonic_ns() noexcept {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

bool ShardLock::wait(const OwnerRecords& owners, std::atomic<std::uint64_t>& back_off_until) noexcept {
  const auto try_to_take = [this]() noexcept {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    return seen == 0 &&
           word_.compare_exchange_strong(seen, owner_, std::memory_order_acquire, std::memory_order_relaxed);
  };
  // A holder that runs is done within a microsecond or few.
  for (int spin = 0; spin < kSpins; ++spin) {
    relax();
    if (try_to_take()) return true;
  }
  if (back_off_until.load(std::memory_order_relaxed) > coarse_ns()) return false;
  // Otherwise it probably waits for a processor: let it have this one. (A futex would need a system call at
  // each release, or a second word that a killed waiter leaves wrong.)
  const std::uint64_t began = monotonic_ns();
  std::uint64_t probed = began;
  long sleep_ns = kFirstSleepNs;
  for (;;) {
    const struct timespec pause = {0, sleep_ns};
    ::nanosleep(&pause, nullptr);
    sleep_ns = std::min(sleep_ns * 2, kLongestSleepNs);
    if (try_to_take()) return true;
    const std::uint64_t now = monotonic_ns();
    if (now - probed >= kLockProbeNs) {
      probed = now;
      std::uint32_t holder = word_.load(std::memory_order_acquire);
      if (holder != 0 && !owners.is_alive(OwnerId::unpack(holder)) &&
          word_.compare_exchange_strong(holder, owner_, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
        return true;
      }
    }
    if (now - began >= kLockWaitNs) {
      back_off_until.store(coarse_ns() + kLockBackOffNs, std::memory_order_relaxed);
      return false;
    }
  }
}

}  // namespace cache_me
