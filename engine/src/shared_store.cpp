#include "cache_me/shared_store.hpp"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "cache_me/hash.hpp"
#include "store_shard.hpp"

namespace cache_me {
namespace {

constexpr char kMagic[8] = {'C', 'M', 'e', 'S', 't', 'o', 'r', 'e'};
constexpr std::uint32_t kEntriesLayout = 1;
constexpr std::uint32_t kReady = 1;
constexpr std::uint32_t kRetired = 2;
constexpr std::uint32_t kRecords = 512;
constexpr std::size_t kRecordStride = 64;
constexpr std::uint64_t kMinSize = 1u << 20;
constexpr std::uint32_t kMaxShards = 64;
constexpr std::uint64_t kLeaseNs = 1'000'000'000;

constexpr int kSpins = 200;
constexpr std::uint64_t kAskAfterNs = 1'000'000;  // when a waiter looks whether the holder lives
constexpr std::uint64_t kGiveUpNs = 20'000'000;   // when it stops waiting for one that does
constexpr std::uint64_t kAvoidNs = 100'000'000;   // how long it then leaves that shard alone

struct alignas(64) StoreHeader {
  char magic[8];
  std::uint32_t layout;
  std::uint32_t shards;
  std::uint64_t size;
  std::atomic<std::uint32_t> state;
  std::uint32_t unused;
  char boot[40];  // boot_id()
};
static_assert(sizeof(StoreHeader) == 128);
static_assert(offsetof(StoreHeader, boot) == 32);

constexpr std::size_t kShardsOffset = sizeof(StoreHeader) + kRecords * kRecordStride;

std::size_t shard_stride(std::size_t size, std::uint32_t shards) {
  return (size - kShardsOffset) / shards / 64 * 64;
}

std::span<std::byte> shard_memory(std::span<std::byte> bytes, std::uint32_t shards, std::uint32_t index) {
  const std::size_t stride = shard_stride(bytes.size(), shards);
  return bytes.subspan(kShardsOffset + index * stride, stride);
}

std::uint64_t now_ms() {
  return boottime_ns() / 1'000'000;
}

void copy_boot_id(char (&target)[40]) {
  const std::string id = boot_id();
  std::memset(target, 0, sizeof target);
  std::memcpy(target, id.data(), std::min(id.size(), sizeof target - 1));
}

Inspection inspect(std::span<std::byte> bytes, const std::string& path) {
  const auto& header = *reinterpret_cast<const StoreHeader*>(bytes.data());
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return Inspection::rebuild();
  if (header.layout > kEntriesLayout) {
    return Inspection::refuse(
        Status(StatusCode::incompatible,
               "'" + path +
                   "' was made by a newer release of django_cache_me; this process works without it, "
                   "start it anew with the newer release"));
  }
  char boot[40];
  copy_boot_id(boot);
  const bool fits = header.layout == kEntriesLayout && header.size == bytes.size() &&
                    header.size >= kMinSize && header.shards >= 1 && header.shards <= kMaxShards &&
                    header.state.load(std::memory_order_acquire) == kReady &&
                    std::memcmp(header.boot, boot, sizeof boot) == 0;
  return fits ? Inspection::accept() : Inspection::rebuild();
}

Status initialise(std::span<std::byte> bytes, std::uint32_t shards) {
  auto& header = *reinterpret_cast<StoreHeader*>(bytes.data());
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.layout = kEntriesLayout;
  header.shards = shards;
  header.size = bytes.size();
  copy_boot_id(header.boot);
  for (std::uint32_t i = 0; i < shards; ++i) StoreShard(shard_memory(bytes, shards, i)).reset();
  header.state.store(kReady, std::memory_order_release);
  return Status();
}

void nap() {
  const struct timespec pause = {0, 50'000};
  ::nanosleep(&pause, nullptr);
}

}  // namespace

// A shard's lock, from lock() to the end of the scope.
class SharedStore::Locked {
 public:
  Locked(SharedStore& store, StoreShard& shard) : shard_(shard), held_(store.lock(shard)) {}
  ~Locked() {
    if (held_) shard_.header().lock.store(0, std::memory_order_release);
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  explicit operator bool() const noexcept { return held_; }

 private:
  StoreShard& shard_;
  const bool held_;
};

Result<std::shared_ptr<SharedStore>> SharedStore::open(const std::string& path, const StoreOptions& options) {
  if (options.size < kMinSize || options.shards < 1 || options.shards > kMaxShards) {
    return Status(StatusCode::invalid_argument,
                  "a store has a size of at least 1 MiB and 1 to 64 shards, not " +
                      std::to_string(options.size) + " bytes and " + std::to_string(options.shards) +
                      " shards");
  }
  FileFormat format;
  format.size = options.size / 4096 * 4096;
  format.header_size = sizeof(StoreHeader);
  format.initialise = [&](std::span<std::byte> bytes) { return initialise(bytes, options.shards); };
  format.inspect = [&](std::span<std::byte> bytes) { return inspect(bytes, path); };
  format.retire = [](std::span<std::byte> header) {
    reinterpret_cast<StoreHeader*>(header.data())->state.store(kRetired, std::memory_order_seq_cst);
  };
  Result<MappedFile> file = MappedFile::open(path, options.policy, format);
  if (!file) return file.status();
  const std::uint32_t shards = reinterpret_cast<const StoreHeader*>(file->data())->shards;
  if (shards < 1 || shards > kMaxShards)
    return Status(StatusCode::corrupt, "'" + path + "' was changed just now");
  return std::shared_ptr<SharedStore>(new SharedStore(std::move(*file), shards));
}

SharedStore::SharedStore(MappedFile file, std::uint32_t shards)
    : file_(std::move(file)), shard_count_(shards) {
  owners_ = std::make_unique<OwnerRecords>(
      file_, OwnerRecords::Layout{sizeof(StoreHeader), kRecordStride, kRecords});
  for (std::uint32_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<StoreShard>(shard_memory(file_.bytes(), shards, i)));
  }
  looked_at_.store(coarse_ns());
  fork_handler_ = std::make_unique<ForkHandler>([this] { mutex_.lock(); }, [this] { mutex_.unlock(); },
                                                [this] {
                                                  owner_.store(0);  // the record is the parent's
                                                  mutex_.unlock();
                                                });
}

SharedStore::~SharedStore() = default;

StoreShard& SharedStore::shard_of(std::uint64_t hash) noexcept {
  // The low bits choose the bucket.
  return *shards_[(hash >> 40) % shard_count_];
}

bool SharedStore::usable() const noexcept {
  return reinterpret_cast<const StoreHeader*>(file_.data())->state.load(std::memory_order_acquire) == kReady;
}

std::uint32_t SharedStore::own_id() {
  const std::uint32_t known = owner_.load(std::memory_order_acquire);
  if (known != 0) return known;
  const std::lock_guard<std::mutex> guard(mutex_);
  if (owner_.load() == 0) {
    const Result<OwnerId> taken = owners_->acquire();
    if (taken.ok()) owner_.store(taken.value().packed(), std::memory_order_release);
  }
  return owner_.load();
}

// The lock word names the holder's owner record. Threads of one process share a record and contend for the
// word like strangers; a holder counts as dead when the kernel has let go of its record's lock, or when the
// record has had another owner since (its generation).
bool SharedStore::lock(StoreShard& shard) {
  const std::uint32_t me = own_id();
  if (me == 0) return false;
  std::atomic<std::uint32_t>& word = shard.header().lock;
  for (int i = 0; i < kSpins; ++i) {
    std::uint32_t free = 0;
    if (word.compare_exchange_weak(free, me, std::memory_order_acquire)) return true;
  }
  std::uint64_t now = boottime_ns();
  if (coarse_ns() < shard.avoid_until.load(std::memory_order_relaxed)) return false;
  const std::uint64_t begin = now;
  std::uint64_t asked = now;
  while (now - begin < kGiveUpNs) {
    nap();
    std::uint32_t holder = 0;
    if (word.compare_exchange_strong(holder, me, std::memory_order_acquire)) return true;
    now = boottime_ns();
    if (now - asked < kAskAfterNs) continue;
    asked = now;
    if (holder == me || owners_->is_alive(OwnerId::unpack(holder))) continue;
    if (!word.compare_exchange_strong(holder, me, std::memory_order_acq_rel)) continue;
    shard.header().recovered.fetch_add(1, std::memory_order_relaxed);
    if (shard.header().dirty.load(std::memory_order_acquire) != 0) shard.reset();
    return true;
  }
  shard.avoid_until.store(coarse_ns() + kAvoidNs, std::memory_order_relaxed);
  shard.header().busy.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool SharedStore::get(std::string_view key, std::string& value) {
  if (!usable()) return false;
  const std::uint64_t hash = hash64(key);
  StoreShard& shard = shard_of(hash);
  ShardHeader& header = shard.header();
  header.gets.fetch_add(1, std::memory_order_relaxed);
  FoundEntry found;
  {
    const Locked locked(*this, shard);
    if (!locked) return false;
    switch (shard.find(hash, key, now_ms(), value, found)) {
      case StoreShard::Outcome::found:
        break;
      case StoreShard::Outcome::expired:
        header.expirations.fetch_add(1, std::memory_order_relaxed);
        return false;
      case StoreShard::Outcome::corrupt:
        header.corrupt.fetch_add(1, std::memory_order_relaxed);
        shard.reset();
        return false;
      case StoreShard::Outcome::absent:
        return false;
    }
  }
  // The bytes are a copy, so the lock needn't be held for this.
  if (entry_checksum(hash, found.expires_ms, value) != found.checksum) {
    header.corrupt.fetch_add(1, std::memory_order_relaxed);
    erase(key);
    return false;
  }
  header.hits.fetch_add(1, std::memory_order_relaxed);
  return true;
}

PutOutcome SharedStore::put(std::string_view key, std::string_view value, std::uint64_t ttl_ms) {
  if (!usable() || own_id() == 0) return PutOutcome::unusable;
  if (key.size() + value.size() > max_entry_bytes()) return PutOutcome::too_large;
  const std::uint64_t hash = hash64(key);
  const std::uint64_t expires_ms = ttl_ms == 0 ? 0 : now_ms() + ttl_ms;
  const std::uint64_t checksum = entry_checksum(hash, expires_ms, value);
  StoreShard& shard = shard_of(hash);
  const Locked locked(*this, shard);
  if (!locked) return PutOutcome::busy;
  if (!shard.put(hash, key, value, expires_ms, checksum)) return PutOutcome::too_large;
  shard.header().puts.fetch_add(1, std::memory_order_relaxed);
  return PutOutcome::stored;
}

bool SharedStore::erase(std::string_view key) {
  if (!usable()) return false;
  const std::uint64_t hash = hash64(key);
  StoreShard& shard = shard_of(hash);
  const Locked locked(*this, shard);
  return locked && shard.erase(hash, key);
}

bool SharedStore::clear() {
  bool all = usable();
  for (const auto& shard : shards_) {
    const Locked locked(*this, *shard);
    if (locked) shard->reset();
    all = all && locked;
  }
  return all;
}

std::uint64_t SharedStore::max_entry_bytes() const noexcept {
  return std::uint64_t{shards_.front()->blocks() / 4} * (kBlockSize - sizeof(EntryBlock));
}

StoreStats SharedStore::stats() {
  StoreStats all;
  for (const auto& shard : shards_) {
    const ShardHeader& header = shard->header();
    all.capacity += std::uint64_t{shard->blocks()} * kBlockSize;
    {
      const Locked locked(*this, *shard);
      if (locked) {
        all.entries += header.entries;
        all.bytes_used +=
            std::uint64_t{shard->blocks() - std::min(header.free_count, shard->blocks())} * kBlockSize;
      }
    }
    all.gets += header.gets.load(std::memory_order_relaxed);
    all.hits += header.hits.load(std::memory_order_relaxed);
    all.puts += header.puts.load(std::memory_order_relaxed);
    all.evictions += header.evictions.load(std::memory_order_relaxed);
    all.expirations += header.expirations.load(std::memory_order_relaxed);
    all.corrupt += header.corrupt.load(std::memory_order_relaxed);
    all.busy += header.busy.load(std::memory_order_relaxed);
    all.recovered += header.recovered.load(std::memory_order_relaxed);
  }
  return all;
}

std::vector<StoredEntry> SharedStore::entries() {
  std::vector<StoredEntry> all;
  for (const auto& shard : shards_) {
    const Locked locked(*this, *shard);
    if (locked) shard->list(now_ms(), all);
  }
  return all;
}

bool SharedStore::check() {
  return std::all_of(shards_.begin(), shards_.end(), [&](const auto& shard) {
    const Locked locked(*this, *shard);
    return locked && shard->check();
  });
}

bool SharedStore::refresh_needed() const {
  if (lost_.load(std::memory_order_relaxed) || !usable()) return true;
  const std::uint64_t now = coarse_ns();
  if (now - looked_at_.load(std::memory_order_relaxed) < kLeaseNs) return false;
  looked_at_.store(now, std::memory_order_relaxed);
  if (!file_.still_at_path()) lost_.store(true, std::memory_order_relaxed);
  return lost_.load(std::memory_order_relaxed);
}

}  // namespace cache_me
