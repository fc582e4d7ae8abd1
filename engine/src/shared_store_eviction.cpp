#include "shared_store_eviction.hpp"

namespace cache_me {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

bool EvictionQueue::add(std::uint32_t index) noexcept {
  entries_file::ShardHeader& header = shard_.header();
  entries_file::Entry& added = shard_.entry(index);
  const std::uint32_t newest = header.newest.load(kRelaxed);
  added.older.store(newest, kRelaxed);
  added.newer.store(entries_file::kNone, kRelaxed);
  if (newest == entries_file::kNone) {
    header.oldest.store(index, kRelaxed);
  } else {
    if (!shard_.is_entry(newest)) return false;
    shard_.entry(newest).newer.store(index, kRelaxed);
  }
  header.newest.store(index, kRelaxed);
  return true;
}

bool EvictionQueue::remove(std::uint32_t index) noexcept {
  entries_file::ShardHeader& header = shard_.header();
  const std::uint32_t newer = shard_.entry(index).newer.load(kRelaxed);
  const std::uint32_t older = shard_.entry(index).older.load(kRelaxed);
  // Each neighbour must agree that it is one.
  std::atomic<std::uint32_t>* from_newer = &header.newest;
  std::atomic<std::uint32_t>* from_older = &header.oldest;
  if (newer != entries_file::kNone) {
    if (!shard_.is_entry(newer)) return false;
    from_newer = &shard_.entry(newer).older;
  }
  if (older != entries_file::kNone) {
    if (!shard_.is_entry(older)) return false;
    from_older = &shard_.entry(older).newer;
  }
  if (from_newer->load(kRelaxed) != index || from_older->load(kRelaxed) != index) return false;
  from_newer->store(older, kRelaxed);
  from_older->store(newer, kRelaxed);
  if (header.hand.load(kRelaxed) == index) header.hand.store(newer, kRelaxed);
  return true;
}

std::uint32_t EvictionQueue::victim() noexcept {
  entries_file::ShardHeader& header = shard_.header();
  std::uint32_t at = header.hand.load(kRelaxed);
  for (int looks = 1;; ++looks) {
    if (at == entries_file::kNone) at = header.oldest.load(kRelaxed);  // past the newest: round again
    if (!shard_.is_entry(at)) return entries_file::kNone;
    entries_file::Entry& looked_at = shard_.entry(at);
    if (looked_at.visited.load(kRelaxed) == 0 || looks == kMostLooks) break;
    looked_at.visited.store(0, kRelaxed);
    at = looked_at.newer.load(kRelaxed);
  }
  header.hand.store(at, kRelaxed);
  return at;
}

}  // namespace cache_me
