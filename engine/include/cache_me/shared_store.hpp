// Entries of a project in a file that all worker processes of the host map: bytes in, bytes out.
//
// The invariants:
//
// - A get() gives exactly the bytes of one put() of that very key, whole and unexpired, or nothing. Bytes are
//   never trusted: offsets and lengths are checked before they are followed, every entry carries a checksum.
// - A process may be killed at any instant. Whoever then wants the lock that it held finds its owner record
//   unlocked by the kernel and takes over; a shard that was being changed is emptied, nothing else is lost.
// - A process that is alive but stopped while it holds a lock costs others a bounded wait, then misses.
//
// The memory of a shard is cut into blocks of 256 bytes, which are chained into entries, so there is no
// fragmentation. Entries are evicted by SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024). The
// layout is written up in docs/format.md. All functions may be called from any thread of any process; a
// forked child may go on using the object.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cache_me/fork_handler.hpp"
#include "cache_me/mapped_file.hpp"
#include "cache_me/owner_records.hpp"
#include "cache_me/status.hpp"

namespace cache_me {

class StoreShard;

struct StoreOptions {
  std::uint64_t size = 32u << 20;  // bytes of a new file, 1 MiB at least; an existing file keeps its own
  std::uint32_t shards = 8;        // of a new file, 1 to 64; an entry may take a quarter of one
  FilePolicy policy;
};

enum class PutOutcome {
  stored,
  too_large,  // for a quarter of a shard
  busy,       // its shard's lock is held by a process that doesn't go on
  unusable,   // the file was replaced, or no owner record is free
};

struct StoreStats {
  std::uint64_t entries = 0, bytes_used = 0, capacity = 0;  // bytes of blocks
  // Since the file was made, by all processes.
  std::uint64_t gets = 0, hits = 0, puts = 0, evictions = 0, expirations = 0, corrupt = 0, busy = 0,
                recovered = 0;
};

struct StoredEntry {
  std::string key;
  std::uint64_t value_size = 0;   // bytes
  std::uint64_t ttl_left_ms = 0;  // 0: no end
};

class SharedStore {
 public:
  // Opens the file at `path`, or makes it. A file of an older layout or an earlier boot is replaced, one of a
  // newer layout refused (`incompatible`); other errors are MappedFile::open()'s.
  static Result<std::shared_ptr<SharedStore>> open(const std::string& path, const StoreOptions& options = {});

  ~SharedStore();
  SharedStore(const SharedStore&) = delete;
  SharedStore& operator=(const SharedStore&) = delete;

  // The value of `key`, copied into `value`. False: a miss (`value` means nothing then).
  bool get(std::string_view key, std::string& value);

  // Keeps `value` under `key` for `ttl_ms` milliseconds (0: no end), in place of what was there.
  PutOutcome put(std::string_view key, std::string_view value, std::uint64_t ttl_ms);

  // True if there was such an entry.
  bool erase(std::string_view key);

  // Empties all shards; false if one of them couldn't be locked.
  bool clear();

  StoreStats stats();

  // All entries, newest of each shard first; each shard is looked at in one go, no entry is under a lock when
  // this returns.
  std::vector<StoredEntry> entries();

  // Whether the path leads to another file by now (asked of the system once a second): then open() it anew.
  bool refresh_needed() const;

  std::uint32_t shards() const noexcept { return shard_count_; }
  std::uint64_t max_entry_bytes() const noexcept;
  const MappedFile& file() const noexcept { return file_; }
  // The first blocks and all chains are consistent; for tests.
  bool check();

 private:
  class Locked;

  SharedStore(MappedFile file, std::uint32_t shards);
  StoreShard& shard_of(std::uint64_t hash) noexcept;
  bool lock(StoreShard& shard);
  std::uint32_t own_id();
  bool usable() const noexcept;

  MappedFile file_;
  const std::uint32_t shard_count_;
  std::unique_ptr<OwnerRecords> owners_;
  std::vector<std::unique_ptr<StoreShard>> shards_;
  std::mutex mutex_;                       // while the owner record is taken
  std::atomic<std::uint32_t> owner_{0};    // packed OwnerId of this process, 0: none yet
  mutable std::atomic<bool> lost_{false};  // the path leads elsewhere
  mutable std::atomic<std::uint64_t> looked_at_{0};
  std::unique_ptr<ForkHandler> fork_handler_;  // last, so that it goes first
};

}  // namespace cache_me
