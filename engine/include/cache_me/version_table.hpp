// The versions of one physical database's dependencies, shared by every process of the host that reads or
// writes it.
//
// The promise: if a read starts after a commit returned, unchanged() doesn't say "yes" for an entry that was
// filled without that commit and rests on a dependency it touched; also when the committing process is killed
// at any instant. It rests on the order of two things on each side:
//
//   writer:  declare() | COMMIT | finish(), which bumps first and withdraws the intent afterwards
//   reader:  look for intents first, load the versions afterwards
//
// A reader that finds no intent either looked before the declaration, so the commit hadn't begun, or after
// the withdrawal, so it sees the bump. The proofs in full stand in version_table.cpp and docs/format.md.
//
// Versions are numbers out of one sequence; an entry is valid in one epoch only (a new file has a new epoch).
// A dependency is a 64-bit hash. Its version is kept in slot `dependency & (slots - 1)`: two that share a
// slot bump each other, which costs a needless miss. Intents are compared by the whole hash: that is exact at
// the same price.
//
// All functions may be called from any thread of any process. Reading takes no lock and makes no system call
// as long as it meets no intent on its own dependencies. A forked child may go on using the object.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache_me/fork_handler.hpp"
#include "cache_me/mapped_file.hpp"
#include "cache_me/owner_records.hpp"
#include "cache_me/status.hpp"
#include "cache_me/version_file.hpp"

namespace cache_me {

using Dependency = std::uint64_t;

struct VersionOptions {
  std::uint32_t slots = 1u << 18;  // of a new file: a power of two, 2^9 to 2^24; 8 bytes each
  std::uint32_t records = 512;     // of a new file: commits under way at one time, 1 to 1024; 2 KiB each
  FilePolicy policy;
  bool fresh = false;  // the database itself is new, nobody can have used it: no waiting for two leases
};

// A commit under way, from declare() to finish() or keep(). One that is dropped stays declared until this
// process ends. A forked child's copy is of no effect on the parent's.
class Intent {
 public:
  Intent(Intent&&) = default;
  Intent& operator=(Intent&&) = default;
  Intent(const Intent&) = delete;
  Intent& operator=(const Intent&) = delete;

  std::span<const Dependency> dependencies() const noexcept { return dependencies_; }

 private:
  friend class VersionTable;
  Intent(OwnerId owner, std::uint64_t serial, std::span<const Dependency> dependencies)
      : owner_(owner), serial_(serial), dependencies_(dependencies.begin(), dependencies.end()) {}

  OwnerId owner_;
  std::uint64_t serial_;
  std::vector<Dependency> dependencies_;  // bumped whatever became of the record
};

// A commit of which nobody knows whether it happened or may still happen.
struct UnknownOutcome {
  std::uint32_t index = 0;          // of its record
  std::uint64_t serial = 0;         // which intent of that record
  bool settles_with_owner = false;  // only its process can settle it; when that has died, anybody's read does
  std::string session;              // what declare() was given: whom to ask the database about
};

class VersionTable {
 public:
  // Opens the version file at `path`, or makes it. `identity` says which database it is of; a file of another
  // one is refused (`incompatible`), as is one of a newer layout. Other errors are MappedFile::open()'s, and
  // `invalid_argument`. A new file that isn't `fresh` is not usable() for two leases.
  static Result<std::shared_ptr<VersionTable>> open(const std::string& path, const std::string& identity,
                                                    const VersionOptions& options = {});

  // A table of this process alone, in memory, usable at once; a forked child has its own copy of it.
  static Result<std::shared_ptr<VersionTable>> private_table(const VersionOptions& options = {});

  // The file that is at the path now, as a new table, for when still_ours() says no. This one stays readable,
  // and says that nothing is usable.
  Result<std::shared_ptr<VersionTable>> reopen() const;

  ~VersionTable();
  VersionTable(const VersionTable&) = delete;
  VersionTable& operator=(const VersionTable&) = delete;

  // --- Reading ---

  std::uint64_t epoch() const noexcept { return epoch_; }

  // The last number drawn. A version that isn't greater belongs to a commit that was over before this
  // reading.
  std::uint64_t clock() const noexcept { return header_->sequence.load(std::memory_order_seq_cst); }

  // May anybody hit or fill? Not if the file is retired or replaced, or too young.
  bool usable() const noexcept;

  // Is the path still this file? Asked of the system at most once a lease; ask before each read or write.
  // After a "no" (which lasts) call reopen(). Also keeps the file from being taken for unused.
  bool still_ours() const;

  // The versions of the dependencies, to be recorded with what is read from the database *afterwards*. False
  // (and `out` means nothing) if one of them carries an intent, or the table isn't usable: then don't fill.
  // `out` has the length of `dependencies`.
  bool read(std::span<const Dependency> dependencies, std::span<std::uint64_t> out) const;

  // Which of these (at most 64) were ever bumped, or share their slot with one that was: a bit for each. A
  // hint, not a promise: no intent is looked at.
  std::uint64_t marked(std::span<const Dependency> dependencies) const noexcept;

  // Does an entry with these versions still hold: usable, the same epoch, no intent on any dependency, every
  // version equal, and none greater than `not_younger_than` (a clock() reading from before the snapshot
  // began)?
  bool unchanged(std::uint64_t epoch, std::span<const Dependency> dependencies,
                 std::span<const std::uint64_t> versions,
                 std::uint64_t not_younger_than = ~std::uint64_t{0}) const;

  // Is a commit under way, or its outcome unknown, on one of these? Meeting one whose owner has died bumps it
  // at once and withdraws it, if it settles with its owner, or turns it into an unknown outcome.
  bool carries_intent(std::span<const Dependency> dependencies) const;

  // --- Writing ---

  // Bumps those of these that marked() doesn't tell of.
  void mark(std::span<const Dependency> dependencies) const noexcept;

  // "A commit that touches these is about to begin." Once it has returned, whatever commits may be called.
  // `session` (at most 200 bytes, the rest is cut off) is what another process would ask the database about.
  // Errors: `exhausted`: no free record; try again until there is one, and *don't commit before*, for readers
  // would not know (records come free as commits end, and idle ones of other processes within a lease;
  // unknown outcomes hold theirs until they are settled). `incompatible`: the file was replaced; reopen().
  // Others: of the system.
  Result<Intent> declare(std::span<const Dependency> dependencies, std::string_view session,
                         bool settles_with_owner);

  // The commit, or the rollback, has returned: bumps all its dependencies and withdraws the intent. False:
  // the file was replaced since the declaration; reopen() and bump(dependencies) there too.
  bool finish(Intent&& intent);

  // Nobody knows what became of the commit: bumps at once, and keeps the intent until somebody settles it.
  // Returns what finish() does.
  bool keep(Intent&& intent);

  // Bumps without a declaration: for what is no commit, and for manual invalidation. Returns what finish()
  // does.
  bool bump(std::span<const Dependency> dependencies);
  bool bump_everything();

  // The unknown outcomes that touch these dependencies (or all): ask the database for each session, and
  // settle() those whose session is gone.
  std::vector<UnknownOutcome> unknown_outcomes(std::span<const Dependency> dependencies) const;
  std::vector<UnknownOutcome> unknown_outcomes() const;

  // The session is gone: bumps again and withdraws. Of all who try, in all processes, one is told true. False
  // also if somebody else is at it just now, or the outcome settles with an owner that is another living
  // process.
  bool settle(const UnknownOutcome& outcome);

  // --- For figures and tests ---

  const MappedFile& file() const noexcept { return file_; }
  bool created() const noexcept { return file_.created(); }
  std::uint32_t slots() const noexcept { return slot_mask_ + 1; }
  std::uint32_t records() const noexcept { return record_count_; }
  std::uint32_t intents() const noexcept;  // declared or unknown, at about this moment

 private:
  VersionTable(MappedFile file, std::string identity, const VersionOptions& options);
  static Status check_options(const VersionOptions& options);

  std::atomic<std::uint64_t>& slot(Dependency dependency) const noexcept {
    return slots_[dependency & slot_mask_];
  }
  version_file::Record& record(std::uint32_t index) const noexcept { return records_[index]; }
  bool enter() const;
  void start_clock() noexcept;
  bool usable_slow() const noexcept;
  bool look_at_path(std::uint64_t now) const;
  bool any_sign() const noexcept;
  bool meets_intent(std::span<const Dependency> dependencies) const;
  bool touches(const version_file::Record& candidate,
               std::span<const Dependency> dependencies) const noexcept;
  void probe_owner(std::uint32_t index) const;
  void recover(std::uint32_t index) const;
  void raise(std::span<const Dependency> dependencies) const noexcept;
  void raise_floor() const noexcept;
  void raise_record(const version_file::Record& of) const noexcept;
  void withdraw(std::uint32_t index, std::uint64_t serial) const noexcept;
  void clear_sign(std::uint32_t index) const noexcept;
  bool sign_is_set(std::uint32_t index) const noexcept;
  Result<OwnerId> take_record();
  void give_back(OwnerId owner);
  bool records_wanted() const noexcept;
  void forget_records() const;
  std::vector<UnknownOutcome> list_unknown(bool all, std::span<const Dependency> dependencies) const;

  MappedFile file_;
  const std::string identity_;
  const VersionOptions options_;
  version_file::Header* const header_;
  std::atomic<std::uint64_t>* slots_;
  version_file::Record* records_;
  // Copies: what the file says of its geometry was checked once and is not believed again.
  std::uint64_t epoch_ = 0;
  std::uint32_t slot_mask_ = 0;
  std::uint32_t record_count_ = 0;

  mutable std::unique_ptr<OwnerRecords> owners_;
  mutable std::atomic<bool> ripe_{false};            // usable_from is in the past
  mutable std::atomic<bool> lost_{false};            // the path leads elsewhere
  mutable std::atomic<bool> user_lock_held_{false};  // kUserLockByte, shared
  mutable std::atomic<std::uint64_t> looked_at_{0};  // coarse_ns() of the last look at the path that said yes
  mutable std::array<std::atomic<std::uint64_t>, version_file::kMaxRecords> probed_at_{};

  mutable std::mutex mutex_;
  mutable std::vector<OwnerId> spare_;         // records of ours without an intent
  mutable std::vector<OwnerId> kept_;          // records of ours with an unknown outcome that settles with us
  std::unique_ptr<ForkHandler> fork_handler_;  // last, so that it goes first
};

}  // namespace cache_me
