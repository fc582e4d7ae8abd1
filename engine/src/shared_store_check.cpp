// The invariant of a shard, said again as a program that goes through all of it.
#include <string>
#include <vector>

#include "cache_me/hash.hpp"
#include "shared_store_shard.hpp"

namespace cache_me {

using entries_file::kFree;
using entries_file::kNone;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

std::string at(const char* what, std::uint32_t index) {
  return std::string(what) + " (block " + std::to_string(index) + ")";
}

}  // namespace

std::string Shard::check(std::uint64_t seed) const {
  const std::uint32_t touched = header_->touched.load(kRelaxed);
  const std::uint32_t free_count = header_->free_count.load(kRelaxed);
  const std::uint32_t entries = header_->entries.load(kRelaxed);
  if (touched > geometry_.blocks || free_count > touched) return "its counts exceed its blocks";

  std::vector<bool> seen(std::size_t{touched} + 1);
  std::uint32_t free_seen = 0;
  for (std::uint32_t index = header_->free_head.load(kRelaxed); free_seen < free_count; ++free_seen) {
    if (index == kNone || index > touched || seen[index] || !belongs(index, kFree)) {
      return at("its free list is broken", index);
    }
    seen[index] = true;
    index = block(index).next.load(kRelaxed);
  }

  std::uint32_t entries_seen = 0;
  std::uint64_t used = 0;
  std::string key, value;
  for (std::uint32_t bucket = 0; bucket < geometry_.buckets; ++bucket) {
    std::uint32_t index = kNone;
    for (;;) {
      const Found found = bucket_entry(bucket, index, index);
      if (found == Found::no) break;
      if (found == Found::unsound || index > touched || seen[index]) return at("a bucket is broken", index);
      EntryFacts facts;
      if (!read(index, facts)) return at("an entry is longer than the shard", index);
      if ((static_cast<std::uint32_t>(facts.hash) & (geometry_.buckets - 1)) != bucket) {
        return at("an entry is in a wrong bucket", index);
      }
      const std::uint64_t count = blocks_for(std::uint64_t{facts.key_size} + facts.value_size);
      std::uint32_t link = index;
      for (std::uint64_t step = 0; step < count; ++step, link = block(link).next.load(kRelaxed)) {
        if (link > touched || !belongs(link, index) || seen[link]) return at("a chain is broken", link);
        seen[link] = true;
      }
      if (link != kNone) return at("a chain is too long", link);
      if (!copy_key(index, facts, key) || !copy_value(index, facts, value)) {
        return at("an entry is cut short", index);
      }
      if (hash64(key, seed) != facts.hash) return at("a key isn't its hash", index);
      if (facts.checksum_of(value, seed) != facts.checksum) return at("a value isn't its checksum", index);
      used += count;
      ++entries_seen;
    }
  }
  if (entries_seen != entries) return "its buckets hold another number of entries than it counts";
  if (used + free_count != touched) return "blocks are lost";

  std::uint32_t queued = 0;
  std::uint32_t newer = kNone;
  bool hand_seen = header_->hand.load(kRelaxed) == kNone;
  for (std::uint32_t index = header_->newest.load(kRelaxed); index != kNone; ++queued) {
    if (queued == entries || !is_entry(index) || entry(index).newer.load(kRelaxed) != newer) {
      return at("its eviction queue is broken", index);
    }
    hand_seen = hand_seen || header_->hand.load(kRelaxed) == index;
    newer = index;
    index = entry(index).older.load(kRelaxed);
  }
  if (queued != entries || header_->oldest.load(kRelaxed) != newer) return "its eviction queue is incomplete";
  if (!hand_seen) return "its eviction hand points to no entry";
  return "";
}

}  // namespace cache_me
