// One shard of the shared store: a hash index over chained blocks, with SIEVE's queue. Nothing here locks;
// the caller holds the shard's lock (see ShardHeader::lock) around every call.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cache_me/shared_store.hpp"

namespace cache_me {

inline constexpr std::uint32_t kBlockSize = 256;

// At the beginning of a shard's memory; buckets (u32 each) and blocks follow. Indices of blocks begin at 1, 0
// is none.
struct alignas(64) ShardHeader {
  std::atomic<std::uint32_t> lock;   // the holder's packed OwnerId, or 0
  std::atomic<std::uint32_t> dirty;  // set while the structures are being changed
  std::uint32_t free_head;
  std::uint32_t free_count;
  std::uint32_t newest, oldest, hand;  // SIEVE's queue
  std::uint32_t entries;
  // Counters; written under the lock, read by anyone.
  std::atomic<std::uint64_t> gets, hits, puts, evictions, expirations, corrupt, busy, recovered;
};
static_assert(sizeof(ShardHeader) == 128);

// The beginning of an entry's first block. Key and value follow one another through the blocks' payloads.
struct EntryBlock {
  std::uint32_t next;  // block of this entry
  std::uint32_t key_size, value_size;
  std::uint32_t chain;  // next entry of the bucket
  std::uint64_t hash, checksum;
  std::uint64_t expires_ms;    // since the boot; 0: never
  std::uint32_t newer, older;  // SIEVE's queue
  std::uint32_t visited;
  std::uint32_t unused;
};
static_assert(sizeof(EntryBlock) == 56);
static_assert(std::is_trivially_copyable_v<EntryBlock>);

// What stands in an entry, before its checksum was looked at.
struct FoundEntry {
  std::uint64_t checksum = 0;
  std::uint64_t expires_ms = 0;
};

std::uint64_t entry_checksum(std::uint64_t hash, std::uint64_t expires_ms, std::string_view value) noexcept;

class StoreShard {
 public:
  explicit StoreShard(std::span<std::byte> memory);

  ShardHeader& header() noexcept { return *header_; }
  std::uint32_t blocks() const noexcept { return block_count_; }

  // The blocks that an entry takes whose key and value have so many bytes together.
  static std::uint32_t blocks_for(std::uint64_t bytes) noexcept;

  // Empties the shard, whatever stands in it.
  void reset();

  // Copies the value out and marks the entry as visited.
  enum class Outcome { found, absent, expired, corrupt };
  Outcome find(std::uint64_t hash, std::string_view key, std::uint64_t now_ms, std::string& value,
               FoundEntry& found);

  // Puts the entry in place of one of the same key; evicts until it fits. False: too large.
  bool put(std::uint64_t hash, std::string_view key, std::string_view value, std::uint64_t expires_ms,
           std::uint64_t checksum);

  bool erase(std::uint64_t hash, std::string_view key);

  void list(std::uint64_t now_ms, std::vector<StoredEntry>& out);
  bool check();

  // When this process may try a lock again that it had to give up on (nanoseconds of coarse_ns()).
  std::atomic<std::uint64_t> avoid_until{0};

 private:
  std::byte* block(std::uint32_t index) const noexcept;
  EntryBlock* entry(std::uint32_t index) const noexcept;
  std::uint32_t* bucket(std::uint64_t hash) const noexcept;
  bool key_equals(const EntryBlock& head, std::string_view key) const noexcept;
  bool read(const EntryBlock& head, std::uint64_t offset, std::uint64_t size, char* out) const noexcept;
  bool write(EntryBlock& head, std::string_view key, std::string_view value) noexcept;
  std::uint32_t lookup(std::uint64_t hash, std::string_view key) noexcept;
  std::uint32_t allocate(std::uint32_t count) noexcept;
  bool release(std::uint32_t first, std::uint32_t count) noexcept;
  bool remove(std::uint32_t index) noexcept;
  bool unlink_from_bucket(std::uint32_t index, const EntryBlock& head) noexcept;
  bool unlink_from_queue(const EntryBlock& head) noexcept;
  bool evict() noexcept;
  void give_up();

  // Marks the structures as being changed, for whoever takes the lock over from a dead holder.
  class Change {
   public:
    explicit Change(ShardHeader& header) : header_(header) {
      header_.dirty.store(1, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // a killed process has done its stores in order
    }
    ~Change() {
      std::atomic_signal_fence(std::memory_order_seq_cst);
      header_.dirty.store(0, std::memory_order_release);
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    ShardHeader& header_;
  };

  ShardHeader* header_;
  std::uint32_t* buckets_;
  std::byte* blocks_;
  std::uint32_t bucket_count_ = 0;  // a power of two
  std::uint32_t block_count_ = 0;
};

}  // namespace cache_me
