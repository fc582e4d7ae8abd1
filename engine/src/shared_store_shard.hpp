// One shard of the store, as its lock's holder sees it: hash index, memory, eviction. Private to the store.
//
// The invariant, whenever the lock is free and `dirty` is 0: every block from 1 to `touched` is either in the
// free list (its head is kFree) or in exactly one entry's chain (its head is the entry's first block); every
// entry is in the bucket of its hash and in the eviction queue, once each.
//
// Memory is blocks of 256 bytes, chained: nothing fragments, and eviction frees exactly what a put needs.
// Nothing that is read from the shard is believed: numbers are read once and checked against the geometry
// (which is the process's own copy), chains have a known length, lists a bounded one. What contradicts the
// invariant makes a function return `unsound`; the caller then resets the shard. So a scribbled file costs
// entries, never a crash, an endless loop or an access outside of the mapping.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared_store_file.hpp"

namespace cache_me {

enum class Found { yes, no, unsound };

// What an entry says of itself.
struct EntryFacts {
  std::uint64_t hash = 0;
  std::uint64_t expires_ms = 0;
  std::uint64_t checksum = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;

  // Should be `checksum`, for that value.
  std::uint64_t checksum_of(std::string_view value, std::uint64_t seed) const noexcept;
};

class Shard {
 public:
  Shard() = default;
  // `region` lies in the mapping and is as long as `geometry` was computed for.
  Shard(std::byte* region, const entries_file::Geometry& geometry) noexcept;

  entries_file::ShardHeader& header() const noexcept { return *header_; }
  std::uint32_t blocks() const noexcept { return geometry_.blocks; }
  std::uint32_t buckets() const noexcept { return geometry_.buckets; }
  std::uint32_t most_blocks() const noexcept { return geometry_.blocks / 4; }  // of one entry

  // The blocks that an entry of that many bytes (key and value) takes.
  static constexpr std::uint64_t blocks_for(std::uint64_t bytes) noexcept {
    using entries_file::kHeadBytes, entries_file::kTailBytes;
    return bytes <= kHeadBytes ? 1 : 1 + (bytes - kHeadBytes + kTailBytes - 1) / kTailBytes;
  }

  // --- All below: only by the lock's holder.

  // Looks for a key; `index` becomes the number of its entry.
  Found find(std::uint64_t hash, std::string_view key, std::uint32_t& index) const noexcept;

  // The facts of the entry at `index`, which find() or bucket_entry() gave. False: unsound.
  bool read(std::uint32_t index, EntryFacts& facts) const noexcept;
  // Copies; may throw std::bad_alloc like any growing string. False: unsound.
  bool copy_key(std::uint32_t index, const EntryFacts& facts, std::string& key) const;
  bool copy_value(std::uint32_t index, const EntryFacts& facts, std::string& value) const;

  // Does its key begin with `prefix`?
  Found begins_with(std::uint32_t index, std::string_view prefix) const noexcept;

  // Says to eviction that the entry was of use.
  void touch(std::uint32_t index) const noexcept;
  bool was_touched(std::uint32_t index) const noexcept;

  // The first entry of a bucket, or the one after `index`. Found::no: none.
  Found bucket_entry(std::uint32_t bucket, std::uint32_t index, std::uint32_t& next) const noexcept;

  // --- These change the shard; the holder has set `dirty`. False: unsound.

  bool remove(std::uint32_t index) noexcept;
  // Evicts until that many blocks are free (at most all there are).
  bool make_room(std::uint64_t blocks, std::uint64_t now_ms) noexcept;
  // The key isn't there, and there is room.
  bool insert(const EntryFacts& facts, std::string_view key, std::string_view value, bool touched) noexcept;
  void reset() noexcept;

  // Goes through everything, checksums included. Empty: the invariant holds; otherwise what is wrong. Needs a
  // bit of memory per block.
  std::string check(std::uint64_t seed) const;

 private:
  friend class EvictionQueue;
  class Chain;

  entries_file::Block& block(std::uint32_t index) const noexcept { return blocks_[index - 1]; }
  entries_file::Entry& entry(std::uint32_t index) const noexcept {
    return *reinterpret_cast<entries_file::Entry*>(block(index).bytes);
  }
  bool in_range(std::uint32_t index) const noexcept { return index - 1 < geometry_.blocks; }
  // Is it a block of the entry that begins at `head`? An entry's first block is its own head.
  bool belongs(std::uint32_t index, std::uint32_t head) const noexcept {
    return in_range(index) && block(index).head.load(std::memory_order_relaxed) == head;
  }
  bool is_entry(std::uint32_t index) const noexcept { return belongs(index, index); }
  bool unlink_from_bucket(std::uint32_t index) noexcept;
  bool free_chain(std::uint32_t index, std::uint64_t count) noexcept;
  std::uint32_t take_block() noexcept;

  entries_file::ShardHeader* header_ = nullptr;
  std::atomic<std::uint32_t>* buckets_ = nullptr;
  entries_file::Block* blocks_ = nullptr;
  entries_file::Geometry geometry_;
};

}  // namespace cache_me
