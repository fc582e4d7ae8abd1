#include "cache_me/shared_store.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "cache_me/hash.hpp"
#include "shared_store_file.hpp"
#include "shared_store_lock.hpp"
#include "shared_store_shard.hpp"

namespace cache_me {

using entries_file::Header;
using entries_file::ShardHeader;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::uint64_t kLeaseNs = 1'000'000'000;
constexpr std::uint64_t kAcquireAgainNs = 100'000'000;
constexpr std::uint32_t kBucketsAtOnce = 256;  // for_each() lets go of the lock after so many

std::uint64_t now_ms() noexcept {
  return boottime_ns() / 1'000'000;
}

bool is_expired(std::uint64_t expires_ms) noexcept {
  return expires_ms != 0 && expires_ms <= now_ms();
}

template <typename Counter>
void count(Counter& counter) noexcept {
  counter.store(counter.load(kRelaxed) + 1, kRelaxed);  // under the lock
}

// Marks the shard while it is changed. The mark is for whoever comes after this process was killed, and death
// comes between two instructions: that the compiler keeps their order is enough.
class Change {
 public:
  explicit Change(ShardHeader& header) noexcept : header_(header) {
    header_.dirty.store(1, kRelaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
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

void reset(Shard& shard) noexcept {
  const Change change(shard.header());
  shard.reset();
}

std::uint64_t expiry_of(std::uint64_t ttl_ms, std::uint64_t now) noexcept {
  constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  return ttl_ms == 0 ? 0 : ttl_ms > kNever - now ? kNever : now + ttl_ms;
}

// Where a key's entry is, if it is.
struct Place {
  bool taken = false;    // there is one, expired or not
  bool present = false;  // unexpired
  std::uint32_t index = 0;
  EntryFacts facts;
};

// False: unsound.
bool look_up(const Shard& shard, std::uint64_t hash, std::string_view key, std::uint64_t now, Place& place) {
  place = Place();
  const Found found = shard.find(hash, key, place.index);
  if (found != Found::yes) return found == Found::no;
  if (!shard.read(place.index, place.facts)) return false;
  place.taken = true;
  place.present = place.facts.expires_ms == 0 || place.facts.expires_ms > now;
  return true;
}

// Puts an entry into the place; without `facts`, it is too large to be one, and only the old one goes.
// False: unsound.
bool put_into(Shard& shard, const Place& place, const EntryFacts* facts, std::string_view key,
              std::string_view value, std::uint64_t now) {
  const bool touched = place.present && shard.was_touched(place.index);
  const Change change(shard.header());
  if (place.taken && !shard.remove(place.index)) return false;
  if (facts == nullptr) return true;
  if (!shard.make_room(Shard::blocks_for(std::uint64_t{key.size()} + value.size()), now)) return false;
  if (!shard.insert(*facts, key, value, touched)) return false;
  count(shard.header().puts);
  return true;
}

}  // namespace

// --- Opening
// -------------------------------------------------------------------------------------------------------

Result<std::shared_ptr<SharedStore>> SharedStore::open(const std::string& path, const Options& options) {
  if (options.capacity < kMinCapacity || options.capacity > entries_file::kMaxRegion) {
    return Status(StatusCode::invalid_argument, "a store of entries has from " +
                                                    std::to_string(kMinCapacity) + " bytes to 64 GiB, not " +
                                                    std::to_string(options.capacity));
  }
  if (options.shards < 1 || options.shards > entries_file::kMaxShards) {
    return Status(StatusCode::invalid_argument,
                  "a store of entries has 1 to 1024 shards, not " + std::to_string(options.shards));
  }
  const auto most_shards =
      static_cast<std::uint32_t>((options.capacity - entries_file::kShardsOffset) / entries_file::kMinRegion);
  const std::uint32_t shards = std::min(options.shards, most_shards);
  const FileFormat format =
      entries_file::format(path, entries_file::region_of(options.capacity, shards), shards);
  for (int attempt = 0; attempt < 100; ++attempt) {
    Result<MappedFile> file = MappedFile::open(path, options.policy, format);
    if (!file) return file.status();
    const Header& header = *reinterpret_cast<const Header*>(file->data());
    const std::uint32_t found_shards = header.shards;
    const std::uint64_t region = header.region;
    // Looked at again: these numbers are what all bounds rest on. A file that was replaced since is retired.
    if (!entries_file::geometry_holds(found_shards, region, file->size()) ||
        header.state.load(std::memory_order_acquire) != entries_file::kReady) {
      continue;
    }
    return std::shared_ptr<SharedStore>(new SharedStore(std::move(*file), found_shards, region, header.seed));
  }
  return Status(StatusCode::io_error, "'" + path + "' is replaced again and again");
}

SharedStore::SharedStore(MappedFile file, std::uint32_t shards, std::uint64_t region, std::uint64_t seed)
    : file_(std::move(file)),
      shard_count_(shards),
      seed_(seed),
      shards_(std::make_unique<Shard[]>(shards)),
      back_off_until_(std::make_unique<std::atomic<std::uint64_t>[]>(shards)) {
  const entries_file::Geometry geometry = entries_file::geometry_of(region);
  for (std::uint32_t number = 0; number < shards; ++number) {
    shards_[number] = Shard(file_.data() + entries_file::kShardsOffset + number * region, geometry);
  }
  owners_ = std::make_unique<OwnerRecords>(
      file_, OwnerRecords::Layout{entries_file::kRecordsOffset, entries_file::kRecordStride,
                                  entries_file::kRecords});
  fork_handler_ = std::make_unique<ForkHandler>([this] { mutex_.lock(); }, [this] { mutex_.unlock(); },
                                                [this] {
                                                  owner_word_.store(0);  // the record is the parent's
                                                  acquire_after_.store(0);
                                                  looked_at_.store(0);
                                                  mutex_.unlock();
                                                });
}

SharedStore::~SharedStore() = default;

bool SharedStore::usable() const noexcept {
  return reinterpret_cast<const Header*>(file_.data())->state.load(std::memory_order_acquire) ==
         entries_file::kReady;
}

std::uint32_t SharedStore::owner() {
  const std::uint32_t word = owner_word_.load(std::memory_order_acquire);
  return word != 0 ? word : acquire_owner();
}

std::uint32_t SharedStore::acquire_owner() {
  if (acquire_after_.load(kRelaxed) > coarse_ns()) return 0;
  const std::lock_guard<std::mutex> guard(mutex_);
  if (const std::uint32_t word = owner_word_.load(kRelaxed); word != 0) return word;
  const Result<OwnerId> owner = owners_->acquire();
  if (!owner.ok()) {
    acquire_after_.store(coarse_ns() + kAcquireAgainNs, kRelaxed);
    return 0;
  }
  owner_word_.store(owner.value().packed(), std::memory_order_release);
  return owner.value().packed();
}

bool SharedStore::refresh_needed() {
  if (lost_.load(kRelaxed) || !usable()) return true;
  const std::uint64_t now = coarse_ns();
  if (now - looked_at_.load(kRelaxed) < kLeaseNs) return false;
  const std::lock_guard<std::mutex> guard(mutex_);
  if (now - looked_at_.load(kRelaxed) < kLeaseNs) return lost_.load(kRelaxed);  // a sibling has looked
  looked_at_.store(now, kRelaxed);
  if (!file_.still_at_path()) lost_.store(true, kRelaxed);
  // Somebody who closed all descriptors took our record from us, and others think that we are dead.
  if (!owners_->check_ownership()) owner_word_.store(0, kRelaxed);
  return lost_.load(kRelaxed);
}

std::uint32_t SharedStore::shard_of(std::uint64_t hash) const noexcept {
  return static_cast<std::uint32_t>(hash >> 40) % shard_count_;  // buckets use the low bits
}

// Calls `body(shard)` with the shard's lock; it returns false if it found the shard unsound. False: not
// called, as the lock wasn't to be had.
template <typename Body>
bool SharedStore::with_shard(std::uint32_t number, Body body) {
  const std::uint32_t self = owner();
  if (self == 0) return false;
  Shard& shard = shards_[number];
  ShardHeader& header = shard.header();
  const ShardLock lock(header.lock, self, *owners_, back_off_until_[number]);
  if (!lock.held()) {
    header.busy.fetch_add(1, kRelaxed);
    return false;
  }
  if (header.dirty.load(kRelaxed) != 0) {
    reset(shard);
    count(header.recovered);
  }
  if (!body(shard)) {
    reset(shard);
    count(header.corrupt);
  }
  return true;
}

// --- Reading and writing
// -------------------------------------------------------------------------------------------------------

bool SharedStore::get(std::string_view key, std::string& value) {
  std::optional<std::uint64_t> checksum;
  return get(key, value, checksum) == Got::copied;
}

SharedStore::Got SharedStore::get(std::string_view key, std::string& value,
                                  std::optional<std::uint64_t>& checksum) {
  if (!usable()) return Got::nothing;
  const std::uint64_t hash = hash64(key, seed_);
  const std::uint32_t number = shard_of(hash);
  bool hit = false;
  bool is_same = false;
  EntryFacts facts;
  with_shard(number, [&](Shard& shard) {
    count(shard.header().gets);
    std::uint32_t index = 0;
    if (const Found found = shard.find(hash, key, index); found != Found::yes) return found == Found::no;
    if (!shard.read(index, facts)) return false;
    if (is_expired(facts.expires_ms)) {
      const Change change(shard.header());
      count(shard.header().expirations);
      return shard.remove(index);
    }
    is_same = checksum == facts.checksum;
    if (!is_same && !shard.copy_value(index, facts, value)) return false;
    shard.touch(index);
    count(shard.header().hits);
    hit = true;
    return true;
  });
  if (!hit) return Got::nothing;
  if (is_same) return Got::same;
  checksum = facts.checksum;
  // Outside of the lock, where nobody waits for it.
  if (facts.checksum == facts.checksum_of(value, seed_)) return Got::copied;
  drop_damaged(number, key, hash, facts.checksum);
  return Got::nothing;
}

void SharedStore::drop_damaged(std::uint32_t number, std::string_view key, std::uint64_t hash,
                               std::uint64_t checksum) {
  with_shard(number, [&](Shard& shard) {
    ShardHeader& header = shard.header();
    count(header.corrupt);
    if (const std::uint64_t hits = header.hits.load(kRelaxed); hits > 0)
      header.hits.store(hits - 1, kRelaxed);
    std::uint32_t index = 0;
    if (const Found found = shard.find(hash, key, index); found != Found::yes) return found == Found::no;
    EntryFacts facts;
    if (!shard.read(index, facts)) return false;
    if (facts.checksum != checksum) return true;  // another one was put in the meantime
    const Change change(header);
    return shard.remove(index);
  });
}

PutOutcome SharedStore::put(std::string_view key, std::string_view value, std::uint64_t ttl_ms) {
  return store(key, value, ttl_ms, std::nullopt);
}

PutOutcome SharedStore::put_if(std::string_view key, std::string_view value, std::uint64_t ttl_ms,
                               PutCondition condition) {
  return store(key, value, ttl_ms, condition);
}

bool SharedStore::fits(std::string_view key, std::string_view value, std::uint32_t number) const noexcept {
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
  return key.size() <= kMost && value.size() <= kMost &&
         Shard::blocks_for(std::uint64_t{key.size()} + value.size()) <= shards_[number].most_blocks();
}

EntryFacts SharedStore::facts_of(std::uint64_t hash, std::uint64_t expires_ms, std::string_view key,
                                 std::string_view value) const noexcept {
  EntryFacts facts;
  facts.hash = hash;
  facts.expires_ms = expires_ms;
  facts.key_size = static_cast<std::uint32_t>(key.size());
  facts.value_size = static_cast<std::uint32_t>(value.size());
  facts.checksum = facts.checksum_of(value, seed_);
  return facts;
}

PutOutcome SharedStore::store(std::string_view key, std::string_view value, std::uint64_t ttl_ms,
                              std::optional<PutCondition> condition) {
  if (!usable() || owner() == 0) return PutOutcome::unusable;
  const std::uint64_t hash = hash64(key, seed_);
  const std::uint32_t number = shard_of(hash);
  const std::uint64_t now = now_ms();
  EntryFacts facts;
  const bool too_large = !fits(key, value, number);
  if (!too_large) facts = facts_of(hash, expiry_of(ttl_ms, now), key, value);
  PutOutcome outcome = PutOutcome::busy;
  const auto change_shard = [&](Shard& shard) {
    Place place;
    if (!look_up(shard, hash, key, now, place)) return false;
    if (condition && place.present != (*condition == PutCondition::if_present)) {
      outcome = PutOutcome::kept;
      return true;
    }
    if (!put_into(shard, place, too_large ? nullptr : &facts, key, value, now)) return false;
    outcome = too_large ? PutOutcome::too_large : PutOutcome::stored;
    return true;
  };
  bool held = with_shard(number, change_shard);
  // Held, but the shard was unsound: it is empty now.
  if (held && outcome == PutOutcome::busy) held = with_shard(number, change_shard);
  return held || owner_word_.load(kRelaxed) != 0 ? outcome : PutOutcome::unusable;
}

PutOutcome SharedStore::update(std::string_view key, const Updater& updater) {
  if (!usable() || owner() == 0) return PutOutcome::unusable;
  const std::uint64_t hash = hash64(key, seed_);
  const std::uint32_t number = shard_of(hash);
  PutOutcome outcome = PutOutcome::busy;
  const auto change_shard = [&](Shard& shard) {
    const std::uint64_t now = now_ms();
    Place place;
    UpdatedEntry entry;
    if (!look_up(shard, hash, key, now, place)) return false;
    if (place.present) {
      if (!shard.copy_value(place.index, place.facts, entry.value)) return false;
      entry.present = place.facts.checksum == place.facts.checksum_of(entry.value, seed_);
    }
    if (place.present && !entry.present) {
      count(shard.header().corrupt);
      const Change change(shard.header());
      if (!shard.remove(place.index)) return false;
      entry.value.clear();
      place = Place();
    }
    switch (updater(entry)) {
      case UpdateAction::keep:
        outcome = PutOutcome::kept;
        return true;
      case UpdateAction::erase:
        if (!put_into(shard, place, nullptr, key, {}, now)) return false;
        outcome = place.present ? PutOutcome::erased : PutOutcome::kept;
        return true;
      case UpdateAction::replace:
        break;
    }
    const bool too_large = !fits(key, entry.value, number);
    EntryFacts facts;
    if (!too_large) {
      const std::uint64_t old_end = place.present ? place.facts.expires_ms : 0;
      facts = facts_of(hash, entry.ttl_ms ? expiry_of(*entry.ttl_ms, now) : old_end, key, entry.value);
    }
    if (!put_into(shard, place, too_large ? nullptr : &facts, key, entry.value, now)) return false;
    outcome = too_large ? PutOutcome::too_large : PutOutcome::stored;
    return true;
  };
  bool held = with_shard(number, change_shard);
  if (held && outcome == PutOutcome::busy) held = with_shard(number, change_shard);  // as in store()
  return held || owner_word_.load(kRelaxed) != 0 ? outcome : PutOutcome::unusable;
}

PutOutcome SharedStore::erase(std::string_view key) {
  if (!usable() || owner() == 0) return PutOutcome::unusable;
  const std::uint64_t hash = hash64(key, seed_);
  PutOutcome outcome = PutOutcome::busy;
  const bool held = with_shard(shard_of(hash), [&](Shard& shard) {
    outcome = PutOutcome::kept;  // also if it proves unsound: it is emptied then
    Place place;
    const std::uint64_t now = now_ms();
    if (!look_up(shard, hash, key, now, place)) return false;
    if (!place.taken) return true;
    if (place.present) outcome = PutOutcome::erased;
    return put_into(shard, place, nullptr, key, {}, now);
  });
  return held || owner_word_.load(kRelaxed) != 0 ? outcome : PutOutcome::unusable;
}

bool SharedStore::clear() {
  if (!usable()) return false;
  bool all = true;
  for (std::uint32_t number = 0; number < shard_count_; ++number) {
    all &= with_shard(number, [](Shard& shard) {
      reset(shard);
      return true;
    });
  }
  return all;
}

bool SharedStore::clear(std::string_view prefix) {
  bool all = usable();
  for (std::uint32_t number = 0; usable() && number < shard_count_; ++number) {
    const std::uint32_t buckets = shards_[number].buckets();
    bool held = true;
    for (std::uint32_t first = 0; held && first < buckets; first += kBucketsAtOnce) {
      held = with_shard(number, [&](Shard& shard) { return erase_some(shard, prefix, first); });
    }
    all &= held;
  }
  return all;
}

// Goes through kBucketsAtOnce buckets; an entry never leaves its bucket. False: unsound.
bool SharedStore::erase_some(Shard& shard, std::string_view prefix, std::uint32_t first_bucket) {
  const std::uint32_t end = std::min(first_bucket + kBucketsAtOnce, shard.buckets());
  std::uint32_t steps = 0;
  for (std::uint32_t bucket = first_bucket; bucket < end; ++bucket) {
    std::uint32_t index = entries_file::kNone;
    Found more = shard.bucket_entry(bucket, index, index);
    while (more == Found::yes) {
      if (++steps > shard.blocks()) return false;  // a circle
      const std::uint32_t looked_at = index;
      more = shard.bucket_entry(bucket, looked_at, index);  // before it may go
      const Found begins = shard.begins_with(looked_at, prefix);
      if (begins == Found::unsound) return false;
      if (begins == Found::no) continue;
      const Change change(shard.header());
      if (!shard.remove(looked_at)) return false;
    }
    if (more == Found::unsound) return false;
  }
  return true;
}

// --- Looking at all of it
// -------------------------------------------------------------------------------------------------------

SharedStoreStats SharedStore::stats() const noexcept {
  SharedStoreStats stats;
  for (std::uint32_t number = 0; number < shard_count_; ++number) {
    const ShardHeader& header = shards_[number].header();
    const std::uint64_t blocks = shards_[number].blocks();
    // Read without the lock, so the two may not fit together just now.
    const std::uint64_t touched = std::min<std::uint64_t>(header.touched.load(kRelaxed), blocks);
    const std::uint64_t free_count = std::min<std::uint64_t>(header.free_count.load(kRelaxed), touched);
    stats.entries += header.entries.load(kRelaxed);
    stats.bytes_used += (touched - free_count) * entries_file::kBlockBytes;
    stats.capacity += blocks * entries_file::kBlockBytes;
    stats.gets += header.gets.load(kRelaxed);
    stats.hits += header.hits.load(kRelaxed);
    stats.puts += header.puts.load(kRelaxed);
    stats.evictions += header.evictions.load(kRelaxed);
    stats.expirations += header.expirations.load(kRelaxed);
    stats.corrupt += header.corrupt.load(kRelaxed);
    stats.busy += header.busy.load(kRelaxed);
    stats.recovered += header.recovered.load(kRelaxed);
  }
  return stats;
}

void SharedStore::for_each(const Visitor& visit) {
  struct Seen {
    std::string key;
    EntryFacts facts;
  };
  std::vector<Seen> seen;
  for (std::uint32_t number = 0; usable() && number < shard_count_; ++number) {
    const std::uint32_t buckets = shards_[number].buckets();
    // An entry never leaves its bucket, so going through the buckets is going through the entries.
    for (std::uint32_t first = 0; first < buckets; first += kBucketsAtOnce) {
      seen.clear();
      const bool held = with_shard(number, [&](Shard& shard) {
        std::uint32_t steps = 0;
        for (std::uint32_t bucket = first; bucket < std::min(first + kBucketsAtOnce, buckets); ++bucket) {
          std::uint32_t index = entries_file::kNone;
          Found found;
          while ((found = shard.bucket_entry(bucket, index, index)) == Found::yes) {
            Seen& one = seen.emplace_back();
            if (++steps > shard.blocks() || !shard.read(index, one.facts) ||
                !shard.copy_key(index, one.facts, one.key)) {
              return false;
            }
          }
          if (found == Found::unsound) return false;
        }
        return true;
      });
      if (!held) break;
      for (const Seen& one : seen) {
        if (is_expired(one.facts.expires_ms) || hash64(one.key, seed_) != one.facts.hash) continue;
        std::optional<std::uint64_t> ttl_ms;
        if (one.facts.expires_ms != 0) {
          const std::uint64_t now = now_ms();
          ttl_ms = one.facts.expires_ms > now ? one.facts.expires_ms - now : 0;
        }
        visit(one.key, one.facts.value_size, ttl_ms);
      }
    }
  }
}

Status SharedStore::check() {
  std::string wrong;
  for (std::uint32_t number = 0; wrong.empty() && number < shard_count_; ++number) {
    with_shard(number, [&](Shard& shard) {
      wrong = shard.check(seed_);
      return true;
    });
    if (!wrong.empty()) wrong = "shard " + std::to_string(number) + " of '" + file_.path() + "': " + wrong;
  }
  return wrong.empty() ? Status() : Status(StatusCode::corrupt, wrong);
}

}  // namespace cache_me
