// Entries that all worker processes of a host share: bytes in, bytes out, in one mapped file.
//
// The contract: get() gives back exactly the bytes that some process put under that very key, or says that
// there is nothing. Entries may go at any time (room, expiry, a process killed half-way through a change, a
// damaged file); a miss is always a legal answer, a wrong value never. Nothing here waits longer than about
// 20 ms for another process, and no content of the file can crash a process, keep it busy for ever, or make
// it read outside of the mapping.
//
// The invariant: a shard is changed only by the living process whose owner record its lock names, and while
// it is, it is marked dirty. A process that is killed keeps its locks only until somebody wants them: that
// process then takes the lock over, and empties the shard if it is dirty. So a killed process loses at most
// the one shard that it was changing at that moment.
//
// All functions may be called from any thread of any process. A forked child may go on using the object. Not
// from a signal handler. No function throws, but std::bad_alloc where a string grows.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "cache_me/fork_handler.hpp"
#include "cache_me/mapped_file.hpp"
#include "cache_me/owner_records.hpp"
#include "cache_me/status.hpp"

namespace cache_me {

class Shard;
struct EntryFacts;

struct SharedStoreOptions {
  std::uint64_t capacity = 64u << 20;  // of a new file, in bytes, all included; at least kMinCapacity
  std::uint32_t shards = 16;           // of a new file, 1 to 1024; fewer if each would be below 64 KiB
  FilePolicy policy;
};

enum class PutOutcome {
  stored,
  kept,       // put_if: the condition doesn't hold; update: it was to be kept; erase: it wasn't there
  erased,     // update and erase: it was there, and is gone
  too_large,  // key and value take more than a quarter of a shard; what was there before is erased
  busy,       // the shard's lock wasn't to be had in time; nothing was changed
  unusable,   // the file is retired, or this process got no owner record; reopen it or go without
};

enum class PutCondition { if_absent, if_present };

enum class UpdateAction { keep, replace, erase };

// An entry as SharedStore::update() shows it. What is changed here is stored by UpdateAction::replace.
struct UpdatedEntry {
  bool present = false;  // there, unexpired and undamaged
  std::string value;     // empty if it isn't
  // From now on, 0: never expires. nullopt: the old one's end stays (a new one never expires).
  std::optional<std::uint64_t> ttl_ms;
};

struct SharedStoreStats {
  std::uint64_t entries = 0;     // expired ones that nobody has met yet included
  std::uint64_t bytes_used = 0;  // in blocks of entries
  std::uint64_t capacity = 0;    // bytes in all blocks
  // Since the file was created, of all processes.
  std::uint64_t gets = 0;
  std::uint64_t hits = 0;
  std::uint64_t puts = 0;  // that stored
  std::uint64_t evictions = 0;
  std::uint64_t expirations = 0;
  std::uint64_t corrupt = 0;    // entries that failed their checksum, and shards that contradicted themselves
  std::uint64_t busy = 0;       // operations that gave up waiting for a lock
  std::uint64_t recovered = 0;  // shards emptied after the death of who was changing them
};

class SharedStore {
 public:
  using Options = SharedStoreOptions;
  static constexpr std::uint64_t kMinCapacity = 128 * 1024;

  // Opens the file at `path`, or creates it. A valid one keeps its size and shards. A damaged one, one of an
  // older layout or of another boot is retired and replaced. Errors: `incompatible` (a newer layout; or what
  // is no store at all, unless its name begins with "django_cache_me.entries."), `invalid_argument`, and
  // those of MappedFile::open(). Processes that open at once get the same file.
  static Result<std::shared_ptr<SharedStore>> open(const std::string& path, const Options& options);

  ~SharedStore();
  SharedStore(const SharedStore&) = delete;
  SharedStore& operator=(const SharedStore&) = delete;

  // Copies the value out. False: not there, expired, damaged, or not to be had in time; `value` means nothing
  // then. A string that is used again saves its allocation.
  bool get(std::string_view key, std::string& value);

  // The same for who has copied an entry of that key before, with that checksum: where it's still that one,
  // nothing is copied (`same`). `copied`: `checksum` is the new one's.
  enum class Got { nothing, same, copied };
  Got get(std::string_view key, std::string& value, std::optional<std::uint64_t>& checksum);

  // Stores, in place of what was there. `ttl_ms`: milliseconds of CLOCK_BOOTTIME (time asleep counts);
  // 0: never expires.
  PutOutcome put(std::string_view key, std::string_view value, std::uint64_t ttl_ms = 0);

  // The same, if the key is (not) there, unexpired, in one step.
  PutOutcome put_if(std::string_view key, std::string_view value, std::uint64_t ttl_ms,
                    PutCondition condition);

  // Reads an entry, and replaces or erases it, in one step: no other process or thread gets in between.
  // `updater` runs under the shard's lock: it has to be short, and mustn't throw (but std::bad_alloc), use
  // the store, or wait for anything. It is called once, twice if the shard proves unsound (the last call
  // counts), or not at all (busy, unusable).
  using Updater = std::function<UpdateAction(UpdatedEntry& entry)>;
  PutOutcome update(std::string_view key, const Updater& updater);

  // `kept`: it wasn't there, or had expired.
  PutOutcome erase(std::string_view key);

  // Empties all shards, one after the other. False: one was busy, and keeps its entries.
  bool clear();

  // Erases the entries whose keys begin with `prefix`: all that were there when it was called. Locks are held
  // only for a few hundred entries at a time. False: a shard was busy, and keeps (some of) its entries.
  bool clear(std::string_view prefix);

  SharedStoreStats stats() const noexcept;

  // Calls `visit(key, size, ttl)` for each entry that isn't expired; `size` is the value's in bytes, `ttl` in
  // ms, nullopt: never expires. Entries that are there all the time are visited exactly once, others at most
  // once per put. No lock is held during a call, so it may use the store. Busy shards are left out.
  using Visitor =
      std::function<void(const std::string& key, std::size_t size, std::optional<std::uint64_t> ttl_ms)>;
  void for_each(const Visitor& visit);

  // Should the path be opened anew: it leads to another file, or this one is retired? Lasts once it says so.
  // The path is looked at no more than once a second, so ask as often as you like.
  bool refresh_needed();

  // Goes through all that is stored, a shard at a time, under its lock (so others may find it busy): for
  // tests, and for people in doubt. Errors: `corrupt`, and what was found. Busy shards are left out.
  Status check();

  const MappedFile& file() const noexcept { return file_; }
  bool created() const noexcept { return file_.created(); }
  std::uint32_t shards() const noexcept { return shard_count_; }

 private:
  SharedStore(MappedFile file, std::uint32_t shards, std::uint64_t region, std::uint64_t seed);

  bool usable() const noexcept;
  std::uint32_t owner();
  std::uint32_t acquire_owner();
  std::uint32_t shard_of(std::uint64_t hash) const noexcept;
  PutOutcome store(std::string_view key, std::string_view value, std::uint64_t ttl_ms,
                   std::optional<PutCondition> condition);
  bool fits(std::string_view key, std::string_view value, std::uint32_t number) const noexcept;
  EntryFacts facts_of(std::uint64_t hash, std::uint64_t expires_ms, std::string_view key,
                      std::string_view value) const noexcept;
  bool erase_some(Shard& shard, std::string_view prefix, std::uint32_t first_bucket);
  void drop_damaged(std::uint32_t number, std::string_view key, std::uint64_t hash, std::uint64_t checksum);
  template <typename Body>
  bool with_shard(std::uint32_t number, Body body);

  MappedFile file_;
  const std::uint32_t shard_count_;
  const std::uint64_t seed_;
  std::unique_ptr<Shard[]> shards_;                               // views
  std::unique_ptr<std::atomic<std::uint64_t>[]> back_off_until_;  // per shard, coarse_ns()
  std::unique_ptr<OwnerRecords> owners_;

  std::atomic<std::uint32_t> owner_word_{0};     // 0: no record yet, or not since the fork
  std::atomic<std::uint64_t> acquire_after_{0};  // coarse_ns(): when to ask for a record again
  std::atomic<std::uint64_t> looked_at_{0};      // coarse_ns() of the last look at the path
  std::atomic<bool> lost_{false};
  std::mutex mutex_;                           // of acquire_owner() and of looking at the path
  std::unique_ptr<ForkHandler> fork_handler_;  // last, so that it goes first
};

}  // namespace cache_me
