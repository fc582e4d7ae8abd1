// Records in a mapped file, each owned by at most one living process at a time.
//
// The invariant: a record is owned exactly as long as its owner's open file description holds the kernel's
// lock on the record's first byte in the file. So an owner that is killed at any instant stops owning,
// whatever the pid namespace, and a reused process id is never mistaken for it. Each acquisition stores a new
// generation in the record: the pair (index, generation) names an owner, never just a place.
//
// The caller lays the records out: `count` of them, `stride` bytes apart, and the first four bytes of each,
// aligned, belong to this class (the generation). The rest is the caller's, and may be changed by the owner
// only, unless the caller has its own rules.
//
// Forks: a child closes the descriptor that it inherited (which doesn't free the parent's locks), owns
// nothing, and opens the file anew at its first use. Memory without a file (MappedFile::anonymous): there the
// owners are this object's own; a child has a copy of the memory, in which all owners are dead.
//
// All functions may be called from any thread. Locks are advisory: strangers with write access could break
// them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "cache_me/file_lock.hpp"
#include "cache_me/fork_handler.hpp"
#include "cache_me/mapped_file.hpp"
#include "cache_me/status.hpp"

namespace cache_me {

// Who owns: 10 bits of index below 22 bits of generation. The generation is never zero, so nor is packed().
struct OwnerId {
  static constexpr unsigned kIndexBits = 10;
  static constexpr std::uint32_t kMaxRecords = 1u << kIndexBits;
  static constexpr std::uint32_t kMaxGeneration = (1u << (32 - kIndexBits)) - 1;

  std::uint32_t index = 0;
  std::uint32_t generation = 0;

  constexpr std::uint32_t packed() const noexcept { return generation << kIndexBits | index; }
  static constexpr OwnerId unpack(std::uint32_t word) noexcept {
    return {word & (kMaxRecords - 1), word >> kIndexBits};
  }
  friend constexpr bool operator==(OwnerId a, OwnerId b) noexcept {
    return a.index == b.index && a.generation == b.generation;
  }
};

class OwnerRecords {
 public:
  struct Layout {
    std::size_t offset = 0;   // of the first record in the file, a multiple of 4
    std::size_t stride = 64;  // bytes from one record to the next, a multiple of 4
    std::uint32_t count = 0;  // at most OwnerId::kMaxRecords
  };

  // `file` outlives this object; the records lie within it.
  OwnerRecords(const MappedFile& file, const Layout& layout);
  ~OwnerRecords();  // gives back all that this object owns
  OwnerRecords(const OwnerRecords&) = delete;
  OwnerRecords& operator=(const OwnerRecords&) = delete;

  // Takes a record that nobody owns and that `may_take` (if given) agrees to; it is asked again once the
  // record is locked, so its answer holds. Errors: `exhausted`, `denied` and others of
  // MappedFile::open_description().
  Result<OwnerId> acquire(const std::function<bool(std::uint32_t index)>& may_take = nullptr);

  // Takes this very record if nobody owns it, this object included; otherwise nothing. Holding it even for a
  // moment makes its former owners look alive to others for that moment, never dead.
  std::optional<OwnerId> try_acquire(std::uint32_t index);

  // Gives a record back. Does nothing if `owner` isn't this object's.
  void release(OwnerId owner) noexcept;

  // Does that owner still live (and own)? An own record: yes. Otherwise the generation must be the same and
  // the lock held. If it can't be told (the file can't be opened again): yes, the answer that withdraws
  // nothing.
  bool is_alive(OwnerId owner) const noexcept;

  // Is it this object, in this process, that owns it?
  bool owns(OwnerId owner) const noexcept;

  // Ownership is lost without a word if somebody closes all descriptors of this process. This notices (one
  // fstat(2)), forgets what was owned, and returns false then. acquire() does the same first.
  bool check_ownership() noexcept;

  // A lock of the caller's own on any byte of the file that no record begins at (or beyond its end), with the
  // same life as the records: gone with the process, not inherited by a child. Memory without a file: always
  // true.
  bool try_lock(std::uint64_t offset, LockMode mode) noexcept;
  void unlock(std::uint64_t offset) noexcept;

  std::uint32_t count() const noexcept { return layout_.count; }

 private:
  std::atomic<std::uint32_t>& generation(std::uint32_t index) const noexcept;
  std::uint64_t lock_offset(std::uint32_t index) const noexcept;
  Status ready_locked() noexcept;
  bool check_ownership_locked() noexcept;
  std::optional<OwnerId> try_acquire_locked(std::uint32_t index);
  void forget_locked() noexcept;

  const MappedFile& file_;
  const Layout layout_;
  mutable std::mutex mutex_;
  int descriptor_ = -1;  // the description whose locks are ours; -1: not opened (yet, or since the fork)
  std::uint32_t next_ = 0;
  // The generation under which this object owns each record, or 0. Written under the mutex, read without.
  std::array<std::atomic<std::uint32_t>, OwnerId::kMaxRecords> owned_{};
  ForkHandler fork_handler_;  // last, so that it goes first
};

static_assert(OwnerId{1023, OwnerId::kMaxGeneration}.packed() == 0xFFFFFFFFu);
static_assert(OwnerId::unpack(OwnerId{5, 7}.packed()) == OwnerId{5, 7});
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4);

}  // namespace cache_me
