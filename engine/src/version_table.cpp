#include "cache_me/version_table.hpp"

#include <time.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

// The protocol and why it holds
// =============================
//
// Names of the steps:
//   writer   W1 write the record, its word last (release)     declare()
//            W2 set the record's bit in the sign (seq_cst, then a full fence)
//            C  whatever commits                               the caller
//            F1 draw n = ++sequence                            finish()
//            F2 raise each slot to at least n
//            F3 word = idle (release)
//            F4 clear the bit (a read-modify-write, release)
//   reader   R1 load the sign, and the records whose bits are set (acquire)
//            R2 load the slots (acquire)
//
// A hit is never older than a commit that had returned. Let C return before R1. W2 happened before C, so R1
// sees the bit, or that F4 has cleared it. (Other records' bits are in the same word: they are changed by
// read-modify-writes, which continue F4's release sequence.) If F4 or F3 is seen, F2 is visible to R2, and
// the version differs from any that was recorded before F2. If the bit and the word are seen, it is an
// intent, and a miss.
//
// A fill that was recorded with version v contains every commit whose number is at most v. Numbers are drawn
// after the commit; if the filler loaded v >= n before it asked the database, C came before F1, and F1 before
// the drawing of v, and that before the load. A commit whose n is greater than v changes the version at its
// F2, and is an intent until then. That F2 only raises (max) loses nothing: a slot that holds m > n already
// was raised by somebody who drew m after F1, so after C. The same argument with clock() in place of v is the
// rule for late dependencies and snapshots: n <= clock means that C was over before the clock was read.
//
// A record is written anew while a reader compares it. Every store into a record is a release and every load
// an acquire. So a reader that sees any piece of the next intent has the previous one's F2 behind it; and the
// next one's W2 wasn't visible at R1, or it would be compared whole: its word was stored after all its
// pieces.
//
// Killed at any instant. A record belongs to whoever holds its kernel lock, and only the holder changes its
// word and clears its bit; so of all that see a dead owner, one at a time acts. Killed
//   - before W1's last store: the word says idle, nothing was promised;
//   - between W1 and W2: declared without a bit; declare() didn't return, so there was no commit: withdrawn
//   silently;
//   - between W2 and F3: declared with a bit: readers miss until somebody holds the lock, bumps, and only
//   then
//     withdraws or marks it unknown. Killed in the middle of this, the next one does it again; bumping twice
//     is harmless;
//   - between F3 and F4: idle with a bit: readers look at one more record; its next owner clears it.
// keep() leaves the word `unknown` and the bit set, and gives the lock up (unless the outcome settles with
// the owner): whoever can answer takes the lock, checks that the serial is still the one, bumps and
// withdraws. If that process dies, its lock is free and the word still `unknown`. So no other state than
// these three is needed.

namespace cache_me {

using version_file::Header;
using version_file::kStateMask;
using version_file::Record;
using version_file::word_of;

namespace {

constexpr std::size_t kSpareRecords = 4;             // kept by a process for its next commits
constexpr std::uint64_t kWantedNs = 10'000'000'000;  // how long a want of records is heeded
constexpr std::uint64_t kStampSeconds = 3600;        // how often last_used is refreshed
constexpr std::uint64_t kTwoLeasesNs = 2 * version_file::kLeaseNs;

// ThreadSanitizer knows no fences, and needs none here: all that is shared is atomic.
#if defined(__SANITIZE_THREAD__)
#define CACHE_ME_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CACHE_ME_THREAD_SANITIZER 1
#endif
#endif

// A declaration is visible to everyone before the commit's first system call.
inline void full_fence() noexcept {
#ifndef CACHE_ME_THREAD_SANITIZER
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

void raise_to(std::atomic<std::uint64_t>& value, std::uint64_t number) noexcept {
  std::uint64_t seen = value.load(std::memory_order_relaxed);
  while (seen < number && !value.compare_exchange_weak(seen, number, std::memory_order_acq_rel)) {
  }
}

void pause_ms(long milliseconds) {
  const struct timespec pause = {0, milliseconds * 1'000'000};
  ::nanosleep(&pause, nullptr);
}

}  // namespace

// --- Opening ---

VersionTable::VersionTable(MappedFile file, std::string identity, const VersionOptions& options)
    : file_(std::move(file)),
      identity_(std::move(identity)),
      options_(options),
      header_(reinterpret_cast<Header*>(file_.data())),
      slots_(reinterpret_cast<std::atomic<std::uint64_t>*>(file_.data() + sizeof(Header))),
      epoch_(header_->epoch),
      slot_mask_(header_->slots - 1),
      record_count_(header_->records) {
  const std::size_t records_offset = sizeof(Header) + std::size_t{slot_mask_ + 1} * 8;
  records_ = reinterpret_cast<Record*>(file_.data() + records_offset);
  owners_ = std::make_unique<OwnerRecords>(
      file_, OwnerRecords::Layout{records_offset, sizeof(Record), record_count_});
  fork_handler_ = std::make_unique<ForkHandler>([this] { mutex_.lock(); }, [this] { mutex_.unlock(); },
                                                [this] {
                                                  // The records, and the lock that says "used", are the
                                                  // parent's.
                                                  spare_.clear();
                                                  kept_.clear();
                                                  user_lock_held_.store(false);
                                                  looked_at_.store(0);
                                                  mutex_.unlock();
                                                });
}

VersionTable::~VersionTable() = default;

Status VersionTable::check_options(const VersionOptions& options) {
  if (options.slots < version_file::kMinSlots || options.slots > version_file::kMaxSlots ||
      !std::has_single_bit(options.slots)) {
    return Status(StatusCode::invalid_argument,
                  "the number of version slots is a power of two from 512 to 16777216, not " +
                      std::to_string(options.slots));
  }
  if (options.records < 1 || options.records > version_file::kMaxRecords) {
    return Status(StatusCode::invalid_argument,
                  "the number of owner records is 1 to 1024, not " + std::to_string(options.records));
  }
  return Status();
}

Result<std::shared_ptr<VersionTable>> VersionTable::open(const std::string& path, const std::string& identity,
                                                         const VersionOptions& options) {
  if (Status status = check_options(options); !status.ok()) return status;
  const FileFormat format =
      version_file::format(path, identity, options.slots, options.records, options.fresh);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    Result<MappedFile> file = MappedFile::open(path, options.policy, format);
    if (!file) return file.status();
    std::shared_ptr<VersionTable> table(new VersionTable(std::move(*file), identity, options));
    if (table->enter()) {
      table->start_clock();
      if (table->created()) version_file::remove_unused(path);
      return table;
    }
    pause_ms(1);  // it was replaced, or is being removed as unused, just now
  }
  return Status(StatusCode::io_error, "'" + path + "' can't be locked, or is replaced again and again");
}

Result<std::shared_ptr<VersionTable>> VersionTable::private_table(const VersionOptions& options) {
  if (Status status = check_options(options); !status.ok()) return status;
  Result<MappedFile> memory = MappedFile::anonymous(
      version_file::file_size(options.slots, options.records), [&](std::span<std::byte> bytes) {
        version_file::initialise(*reinterpret_cast<Header*>(bytes.data()), "private", options.slots,
                                 options.records, true);
        return Status();
      });
  if (!memory) return memory.status();
  return std::shared_ptr<VersionTable>(new VersionTable(std::move(*memory), "private", options));
}

Result<std::shared_ptr<VersionTable>> VersionTable::reopen() const {
  if (file_.is_anonymous()) return private_table(options_);
  VersionOptions options = options_;
  options.fresh = false;  // the database isn't new any more
  return open(file_.path(), identity_, options);
}

// Takes the lock that says "used", then makes sure that nobody removed the file before. From then on only a
// rebuild, or a hand, can replace it.
bool VersionTable::enter() const {
  if (!owners_->try_lock(version_file::kUserLockByte, LockMode::shared)) return false;
  user_lock_held_.store(true);
  return header_->state.load(std::memory_order_acquire) == version_file::kReady && file_.still_at_path();
}

// Two leases are counted from when the file had its name, by whoever opens it first; a creator that was
// killed in between has so no say in it.
void VersionTable::start_clock() noexcept {
  const std::uint64_t latest = boottime_ns() + kTwoLeasesNs;
  std::uint64_t seen = header_->usable_from.load(std::memory_order_acquire);
  while (seen > latest &&
         !header_->usable_from.compare_exchange_weak(seen, latest, std::memory_order_acq_rel)) {
  }
}

// --- Reading ---

bool VersionTable::usable() const noexcept {
  return header_->state.load(std::memory_order_acquire) == version_file::kReady &&
         !lost_.load(std::memory_order_relaxed) && (ripe_.load(std::memory_order_relaxed) || usable_slow());
}

bool VersionTable::usable_slow() const noexcept {
  if (boottime_ns() < header_->usable_from.load(std::memory_order_acquire)) return false;
  ripe_.store(true, std::memory_order_relaxed);
  return true;
}

bool VersionTable::still_ours() const {
  if (header_->state.load(std::memory_order_acquire) != version_file::kReady) return false;
  if (lost_.load(std::memory_order_relaxed)) return false;
  if (file_.is_anonymous()) return true;
  const std::uint64_t now = coarse_ns();
  const std::uint64_t last = looked_at_.load(std::memory_order_relaxed);
  return (last != 0 && now - last < version_file::kLeaseNs) || look_at_path(now);
}

// `now` was read before the look, so a lease is never longer than it should be. Threads whose lease ends at
// the same time all look: if one looked for all and was held up, the others would rely on it.
bool VersionTable::look_at_path(std::uint64_t now) const {
  if (!file_.still_at_path()) {
    lost_.store(true, std::memory_order_relaxed);
    return false;
  }
  if (!owners_->check_ownership()) forget_records();
  if (!user_lock_held_.load() && owners_->try_lock(version_file::kUserLockByte, LockMode::shared)) {
    user_lock_held_.store(true);
  }
  if (header_->state.load(std::memory_order_acquire) != version_file::kReady) return false;
  const std::uint64_t today = version_file::realtime_seconds();
  const std::uint64_t stamp = header_->last_used.load(std::memory_order_relaxed);
  if (today > stamp + kStampSeconds || today + kStampSeconds < stamp) {
    header_->last_used.store(today, std::memory_order_relaxed);
  }
  if (records_wanted()) {
    std::vector<OwnerId> idle;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      idle.swap(spare_);
    }
    for (const OwnerId owner : idle) owners_->release(owner);
  }
  looked_at_.store(now, std::memory_order_relaxed);
  return true;
}

bool VersionTable::any_sign() const noexcept {
  std::uint64_t any = 0;
  const std::uint32_t words = (record_count_ + 63) / 64;
  for (std::uint32_t word = 0; word < words; ++word)
    any |= header_->sign[word].load(std::memory_order_acquire);
  return any != 0;
}

bool VersionTable::touches(const Record& candidate, std::span<const Dependency> dependencies) const noexcept {
  if ((candidate.flags.load(std::memory_order_acquire) & version_file::kEverything) != 0) return true;
  const std::size_t count = std::min<std::size_t>(candidate.dependency_count.load(std::memory_order_acquire),
                                                  version_file::kRecordDependencies);
  for (std::size_t position = 0; position < count; ++position) {
    const Dependency declared = candidate.dependencies[position].load(std::memory_order_acquire);
    for (const Dependency dependency : dependencies) {
      if (dependency == declared) return true;
    }
  }
  return false;
}

bool VersionTable::meets_intent(std::span<const Dependency> dependencies) const {
  bool met = false;
  for (std::uint32_t word = 0; word * 64 < record_count_; ++word) {
    std::uint64_t bits = header_->sign[word].load(std::memory_order_acquire);
    for (; bits != 0; bits &= bits - 1) {
      const std::uint32_t index = word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
      if (index >= record_count_) break;
      const std::uint64_t state = record(index).word.load(std::memory_order_acquire) & kStateMask;
      if (state == version_file::kIdle || !touches(record(index), dependencies)) continue;
      met = true;
      probe_owner(index);
    }
  }
  return met;
}

bool VersionTable::carries_intent(std::span<const Dependency> dependencies) const {
  return any_sign() && meets_intent(dependencies);
}

bool VersionTable::read(std::span<const Dependency> dependencies, std::span<std::uint64_t> out) const {
  if (!usable() || carries_intent(dependencies)) return false;
  const std::uint64_t floor = header_->floor.load(std::memory_order_acquire);
  for (std::size_t position = 0; position < dependencies.size(); ++position) {
    out[position] = std::max(slot(dependencies[position]).load(std::memory_order_acquire), floor);
  }
  return true;
}

std::uint64_t VersionTable::marked(std::span<const Dependency> dependencies) const noexcept {
  std::uint64_t bits = 0;
  for (std::size_t n = 0; n < dependencies.size() && n < 64; ++n) {
    if (slot(dependencies[n]).load(std::memory_order_relaxed) != 0) bits |= std::uint64_t{1} << n;
  }
  return bits;
}

bool VersionTable::unchanged(std::uint64_t epoch, std::span<const Dependency> dependencies,
                             std::span<const std::uint64_t> versions, std::uint64_t not_younger_than) const {
  if (epoch != epoch_ || versions.size() != dependencies.size() || !usable()) return false;
  if (carries_intent(dependencies)) return false;
  const std::uint64_t floor = header_->floor.load(std::memory_order_acquire);
  const std::atomic<std::uint64_t>* const slots = slots_;
  const std::uint64_t mask = slot_mask_;
  const Dependency* const asked = dependencies.data();
  const std::uint64_t* const recorded = versions.data();
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t position = 0; position < dependencies.size(); ++position) {
    const std::uint64_t now = slots[asked[position] & mask].load(std::memory_order_acquire);
    const std::uint64_t before = recorded[position];
    if (now != before && std::max(now, floor) != before) return false;
    least = std::min(least, before);
  }
  if (least < floor) return false;
  return not_younger_than == std::numeric_limits<std::uint64_t>::max() ||
         std::all_of(versions.begin(), versions.end(),
                     [&](std::uint64_t version) { return version <= not_younger_than; });
}

// --- Writing ---

void VersionTable::raise(std::span<const Dependency> dependencies) const noexcept {
  const std::uint64_t number = header_->sequence.fetch_add(1, std::memory_order_seq_cst) + 1;
  for (const Dependency dependency : dependencies) raise_to(slot(dependency), number);
}

void VersionTable::mark(std::span<const Dependency> dependencies) const noexcept {
  for (const Dependency& dependency : dependencies) {
    if (slot(dependency).load(std::memory_order_relaxed) == 0) raise(std::span(&dependency, 1));
  }
}

void VersionTable::raise_floor() const noexcept {
  raise_to(header_->floor, header_->sequence.fetch_add(1, std::memory_order_seq_cst) + 1);
}

// What the record names, when all that is left of its owner is the record.
void VersionTable::raise_record(const Record& of) const noexcept {
  if ((of.flags.load(std::memory_order_acquire) & version_file::kEverything) != 0) return raise_floor();
  const std::uint64_t number = header_->sequence.fetch_add(1, std::memory_order_seq_cst) + 1;
  const std::size_t count = std::min<std::size_t>(of.dependency_count.load(std::memory_order_acquire),
                                                  version_file::kRecordDependencies);
  for (std::size_t position = 0; position < count; ++position) {
    raise_to(slot(of.dependencies[position].load(std::memory_order_acquire)), number);
  }
}

bool VersionTable::sign_is_set(std::uint32_t index) const noexcept {
  return (header_->sign[index / 64].load(std::memory_order_acquire) >> (index % 64) & 1) != 0;
}

void VersionTable::clear_sign(std::uint32_t index) const noexcept {
  header_->sign[index / 64].fetch_and(~(std::uint64_t{1} << (index % 64)), std::memory_order_acq_rel);
}

// By the holder of the record's lock only.
void VersionTable::withdraw(std::uint32_t index, std::uint64_t serial) const noexcept {
  record(index).word.store(word_of(serial, version_file::kIdle), std::memory_order_release);
  clear_sign(index);
}

bool VersionTable::records_wanted() const noexcept {
  const std::uint64_t wanted = header_->wanted.load(std::memory_order_relaxed);
  return wanted != 0 && boottime_ns() - wanted < kWantedNs;
}

void VersionTable::forget_records() const {
  const std::lock_guard<std::mutex> guard(mutex_);
  spare_.clear();
  kept_.clear();
  user_lock_held_.store(false);
}

Result<OwnerId> VersionTable::take_record() {
  // If somebody has closed all descriptors of this process, others think us dead.
  if (!owners_->check_ownership()) forget_records();
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (!spare_.empty()) {
      const OwnerId owner = spare_.back();
      spare_.pop_back();
      return owner;
    }
  }
  const auto is_idle = [this](std::uint32_t index) {
    return (record(index).word.load(std::memory_order_acquire) & kStateMask) == version_file::kIdle;
  };
  Result<OwnerId> owner = owners_->acquire(is_idle);
  if (owner || owner.status().code() != StatusCode::exhausted) return owner;
  // Dead owners whose intents nobody has met.
  for (std::uint32_t index = 0; index < record_count_; ++index) {
    if (!is_idle(index)) recover(index);
  }
  owner = owners_->acquire(is_idle);
  if (owner || owner.status().code() != StatusCode::exhausted) return owner;
  header_->wanted.store(boottime_ns(), std::memory_order_relaxed);
  return Status(StatusCode::exhausted, owner.status().message() +
                                           ": as many commits are under way or of unknown outcome; " +
                                           "if that lasts, make the version file with more records");
}

void VersionTable::give_back(OwnerId owner) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (spare_.size() < kSpareRecords && !records_wanted()) {
      spare_.push_back(owner);
      return;
    }
  }
  owners_->release(owner);
}

Result<Intent> VersionTable::declare(std::span<const Dependency> dependencies, std::string_view session,
                                     bool settles_with_owner) {
  if (!still_ours()) {
    return Status(StatusCode::incompatible, "the version file was replaced; open it again");
  }
  Result<OwnerId> taken = take_record();
  if (!taken) return taken.status();
  const OwnerId owner = *taken;
  Record& own = record(owner.index);
  const bool fits = dependencies.size() <= version_file::kRecordDependencies;
  const std::uint64_t serial = (own.word.load(std::memory_order_acquire) >> 2) + 1;

  std::uint32_t flags = settles_with_owner ? version_file::kSettlesWithOwner : 0u;
  if (!fits) flags |= version_file::kEverything;
  own.flags.store(flags, std::memory_order_release);
  const std::size_t count = fits ? dependencies.size() : 0;
  for (std::size_t position = 0; position < count; ++position) {
    own.dependencies[position].store(dependencies[position], std::memory_order_release);
  }
  own.dependency_count.store(static_cast<std::uint32_t>(count), std::memory_order_release);
  const std::size_t length = std::min(session.size(), version_file::kSessionBytes);
  for (std::size_t start = 0; start < length; start += 8) {
    std::uint64_t piece = 0;
    std::memcpy(&piece, session.data() + start, std::min<std::size_t>(8, length - start));
    own.session[start / 8].store(piece, std::memory_order_release);
  }
  own.session_length.store(static_cast<std::uint32_t>(length), std::memory_order_release);
  own.word.store(word_of(serial, version_file::kDeclared), std::memory_order_release);
  header_->sign[owner.index / 64].fetch_or(std::uint64_t{1} << (owner.index % 64), std::memory_order_seq_cst);
  full_fence();
  return Intent(owner, serial, dependencies);
}

bool VersionTable::finish(Intent&& intent) {
  raise(intent.dependencies_);
  const OwnerId owner = std::exchange(intent.owner_, OwnerId());
  // Not ours any more after a fork, or not as we left it, if our descriptors were closed and we seemed dead:
  // then whoever found that has seen to the record, or will.
  std::uint64_t expected = word_of(intent.serial_, version_file::kDeclared);
  if (owners_->owns(owner) &&
      record(owner.index)
          .word.compare_exchange_strong(expected, word_of(intent.serial_, version_file::kIdle),
                                        std::memory_order_acq_rel)) {
    clear_sign(owner.index);
    give_back(owner);
  }
  // Within a lease of the last look nobody can have filled from another file: it waits for two.
  return still_ours();
}

bool VersionTable::keep(Intent&& intent) {
  raise(intent.dependencies_);
  const OwnerId owner = std::exchange(intent.owner_, OwnerId());
  std::uint64_t expected = word_of(intent.serial_, version_file::kDeclared);
  if (owners_->owns(owner)) {
    Record& own = record(owner.index);
    const bool settles = (own.flags.load(std::memory_order_acquire) & version_file::kSettlesWithOwner) != 0;
    if (own.word.compare_exchange_strong(expected, word_of(intent.serial_, version_file::kUnknownOutcome),
                                         std::memory_order_acq_rel)) {
      if (settles) {
        const std::lock_guard<std::mutex> guard(mutex_);
        kept_.push_back(owner);
      } else {
        owners_->release(owner);
      }
    }
  }
  return still_ours();
}

bool VersionTable::bump(std::span<const Dependency> dependencies) {
  raise(dependencies);
  return still_ours();
}

bool VersionTable::bump_everything() {
  raise_floor();
  return still_ours();
}

std::uint32_t VersionTable::intents() const noexcept {
  std::uint32_t count = 0;
  for (std::uint32_t index = 0; index < record_count_; ++index) {
    if ((record(index).word.load(std::memory_order_acquire) & kStateMask) != version_file::kIdle) ++count;
  }
  return count;
}

}  // namespace cache_me
