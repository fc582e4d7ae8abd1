#include "shared_store_shard.hpp"

#include <algorithm>
#include <cstring>

#include "cache_me/hash.hpp"
#include "shared_store_eviction.hpp"

namespace cache_me {

using entries_file::Block;
using entries_file::Entry;
using entries_file::kFree;
using entries_file::kHeadBytes;
using entries_file::kNone;
using entries_file::kTailBytes;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

template <typename Number>
void add(std::atomic<Number>& counter, Number by) noexcept {
  counter.store(counter.load(kRelaxed) + by, kRelaxed);  // under the lock, so no read-modify-write is needed
}

}  // namespace

std::uint64_t EntryFacts::checksum_of(std::string_view value, std::uint64_t seed) const noexcept {
  // Odd factors (of the 64-bit golden ratio's kind) spread small numbers; XXH3 does the rest.
  const std::uint64_t sizes = std::uint64_t{key_size} << 32 | value_size;
  return hash64(value, (seed ^ hash) + expires_ms * 0x9E3779B97F4A7C15u + sizes * 0xC2B2AE3D27D4EB4Fu);
}

// Goes through an entry's bytes in order, block by block, and never beyond what its blocks hold.
class Shard::Chain {
 public:
  Chain(const Shard& shard, std::uint32_t head) noexcept
      : shard_(shard),
        head_(head),
        at_(head),
        data_(shard.block(head).bytes + sizeof(Entry)),
        room_(kHeadBytes) {
    fetch_next();
  }

  // Calls `piece(data, size)` for the next `size` bytes, until it returns false. Found::yes: it never did.
  template <typename Piece>
  Found next(std::size_t size, Piece piece) {
    while (size > 0) {
      if (room_ == 0) {
        const std::uint32_t next = shard_.block(at_).next.load(kRelaxed);
        if (!shard_.belongs(next, head_)) return Found::unsound;
        at_ = next;
        data_ = shard_.block(at_).bytes;
        room_ = kTailBytes;
        fetch_next();
      }
      const std::size_t taken = std::min(size, room_);
      if (!piece(data_, taken)) return Found::no;
      data_ += taken;
      room_ -= taken;
      size -= taken;
    }
    return Found::yes;
  }

 private:
  // The next block comes into the cache while this one is copied.
  void fetch_next() const noexcept {
    const std::uint32_t next = shard_.block(at_).next.load(kRelaxed);
    if (!shard_.in_range(next)) return;
    const char* const ahead = reinterpret_cast<const char*>(&shard_.block(next));
    for (std::size_t line = 0; line < entries_file::kBlockBytes; line += 64) __builtin_prefetch(ahead + line);
  }

  const Shard& shard_;
  const std::uint32_t head_;
  std::uint32_t at_;
  char* data_;
  std::size_t room_;
};

Shard::Shard(std::byte* region, const entries_file::Geometry& geometry) noexcept
    : header_(reinterpret_cast<entries_file::ShardHeader*>(region)),
      buckets_(reinterpret_cast<std::atomic<std::uint32_t>*>(region + sizeof(entries_file::ShardHeader))),
      blocks_(reinterpret_cast<Block*>(region + sizeof(entries_file::ShardHeader) +
                                       std::size_t{geometry.buckets} * sizeof(std::uint32_t))),
      geometry_(geometry) {}

Found Shard::bucket_entry(std::uint32_t bucket, std::uint32_t index, std::uint32_t& next) const noexcept {
  next = index == kNone ? buckets_[bucket].load(kRelaxed) : entry(index).bucket_next.load(kRelaxed);
  if (next == kNone) return Found::no;
  return is_entry(next) ? Found::yes : Found::unsound;
}

Found Shard::find(std::uint64_t hash, std::string_view key, std::uint32_t& index) const noexcept {
  const std::uint32_t bucket = static_cast<std::uint32_t>(hash) & (geometry_.buckets - 1);
  std::uint32_t at = kNone;
  for (std::uint32_t steps = 0; steps <= geometry_.blocks; ++steps) {
    if (const Found more = bucket_entry(bucket, at, at); more != Found::yes) return more;
    const Entry& candidate = entry(at);
    if (candidate.hash.load(kRelaxed) != hash) continue;
    if (candidate.key_size.load(kRelaxed) != key.size()) continue;
    const Found same = begins_with(at, key);  // and is as long
    if (same == Found::no) continue;
    index = at;
    return same;
  }
  return Found::unsound;  // a circle
}

bool Shard::read(std::uint32_t index, EntryFacts& facts) const noexcept {
  const Entry& from = entry(index);
  facts.hash = from.hash.load(kRelaxed);
  facts.expires_ms = from.expires_ms.load(kRelaxed);
  facts.checksum = from.checksum.load(kRelaxed);
  facts.key_size = from.key_size.load(kRelaxed);
  facts.value_size = from.value_size.load(kRelaxed);
  // No put makes a larger one, so nobody allocates more than this for a damaged length.
  return blocks_for(std::uint64_t{facts.key_size} + facts.value_size) <= most_blocks();
}

bool Shard::copy_key(std::uint32_t index, const EntryFacts& facts, std::string& key) const {
  key.resize(facts.key_size);
  char* to = key.data();
  return Chain(*this, index).next(facts.key_size, [&](const char* data, std::size_t size) {
    std::memcpy(to, data, size);
    to += size;
    return true;
  }) == Found::yes;
}

bool Shard::copy_value(std::uint32_t index, const EntryFacts& facts, std::string& value) const {
  value.resize(facts.value_size);
  char* to = value.data();
  Chain chain(*this, index);
  if (chain.next(facts.key_size, [](const char*, std::size_t) { return true; }) != Found::yes) return false;
  return chain.next(facts.value_size, [&](const char* data, std::size_t size) {
    std::memcpy(to, data, size);
    to += size;
    return true;
  }) == Found::yes;
}

Found Shard::begins_with(std::uint32_t index, std::string_view prefix) const noexcept {
  if (entry(index).key_size.load(kRelaxed) < prefix.size()) return Found::no;
  const char* expected = prefix.data();
  return Chain(*this, index).next(prefix.size(), [&](const char* data, std::size_t size) {
    const bool equal = std::memcmp(data, expected, size) == 0;
    expected += size;
    return equal;
  });
}

void Shard::touch(std::uint32_t index) const noexcept {
  std::atomic<std::uint32_t>& visited = entry(index).visited;
  if (visited.load(kRelaxed) == 0) visited.store(1, kRelaxed);
}

bool Shard::was_touched(std::uint32_t index) const noexcept {
  return entry(index).visited.load(kRelaxed) != 0;
}

// --- Changes
// -------------------------------------------------------------------------------------------------------

bool Shard::unlink_from_bucket(std::uint32_t index) noexcept {
  const std::uint64_t hash = entry(index).hash.load(kRelaxed);
  std::atomic<std::uint32_t>* link = &buckets_[static_cast<std::uint32_t>(hash) & (geometry_.buckets - 1)];
  for (std::uint32_t steps = 0; steps <= geometry_.blocks; ++steps) {
    const std::uint32_t at = link->load(kRelaxed);
    if (!is_entry(at)) return false;  // also the end: it isn't in its bucket
    if (at == index) {
      link->store(entry(index).bucket_next.load(kRelaxed), kRelaxed);
      return true;
    }
    link = &entry(at).bucket_next;
  }
  return false;
}

// A chain that ends after exactly `count` steps has no circle, so these are that many different blocks.
bool Shard::free_chain(std::uint32_t index, std::uint64_t count) noexcept {
  std::uint32_t last = index;
  for (std::uint64_t step = 1; step < count; ++step) {
    last = block(last).next.load(kRelaxed);
    if (!belongs(last, index)) return false;
    block(last).head.store(kFree, kRelaxed);
  }
  if (block(last).next.load(kRelaxed) != kNone) return false;
  block(index).head.store(kFree, kRelaxed);
  block(last).next.store(header_->free_head.load(kRelaxed), kRelaxed);
  header_->free_head.store(index, kRelaxed);
  add(header_->free_count, static_cast<std::uint32_t>(count));
  return true;
}

bool Shard::remove(std::uint32_t index) noexcept {
  EntryFacts facts;
  if (!read(index, facts) || header_->entries.load(kRelaxed) == 0) return false;
  if (!unlink_from_bucket(index) || !EvictionQueue(*this).remove(index)) return false;
  if (!free_chain(index, blocks_for(std::uint64_t{facts.key_size} + facts.value_size))) return false;
  header_->entries.store(header_->entries.load(kRelaxed) - 1, kRelaxed);
  return true;
}

bool Shard::make_room(std::uint64_t blocks, std::uint64_t now_ms) noexcept {
  EvictionQueue queue(*this);
  for (std::uint32_t steps = 0; steps <= geometry_.blocks; ++steps) {
    const std::uint32_t touched = header_->touched.load(kRelaxed);
    const std::uint32_t free_count = header_->free_count.load(kRelaxed);
    if (touched > geometry_.blocks || free_count > touched) return false;
    if (std::uint64_t{geometry_.blocks} - touched + free_count >= blocks) return true;
    const std::uint32_t victim = queue.victim();
    if (victim == kNone) return false;
    const std::uint64_t expires_ms = entry(victim).expires_ms.load(kRelaxed);
    const bool expired = expires_ms != 0 && expires_ms <= now_ms;
    if (!remove(victim)) return false;
    add(expired ? header_->expirations : header_->evictions, std::uint64_t{1});
  }
  return false;
}

// Used blocks first, so that memory which was never needed is never touched.
std::uint32_t Shard::take_block() noexcept {
  const std::uint32_t count = header_->free_count.load(kRelaxed);
  if (count > 0) {
    const std::uint32_t taken = header_->free_head.load(kRelaxed);
    if (!belongs(taken, kFree)) return kNone;
    header_->free_head.store(block(taken).next.load(kRelaxed), kRelaxed);
    header_->free_count.store(count - 1, kRelaxed);
    return taken;
  }
  const std::uint32_t touched = header_->touched.load(kRelaxed);
  if (touched >= geometry_.blocks) return kNone;
  header_->touched.store(touched + 1, kRelaxed);
  return touched + 1;
}

bool Shard::insert(const EntryFacts& facts, std::string_view key, std::string_view value,
                   bool touched) noexcept {
  const std::uint32_t head = take_block();
  if (head == kNone) return false;
  block(head).head.store(head, kRelaxed);
  Entry& made = entry(head);
  made.hash.store(facts.hash, kRelaxed);
  made.expires_ms.store(facts.expires_ms, kRelaxed);
  made.checksum.store(facts.checksum, kRelaxed);
  made.visited.store(touched ? 1 : 0, kRelaxed);
  made.key_size.store(facts.key_size, kRelaxed);
  made.value_size.store(facts.value_size, kRelaxed);

  std::uint32_t last = head;
  char* to = block(head).bytes + sizeof(Entry);
  std::size_t room = kHeadBytes;
  for (std::string_view rest : {key, value}) {
    while (!rest.empty()) {
      if (room == 0) {
        const std::uint32_t next = take_block();
        if (next == kNone) return false;
        block(next).head.store(head, kRelaxed);
        block(last).next.store(next, kRelaxed);
        last = next;
        to = block(next).bytes;
        room = kTailBytes;
      }
      const std::size_t size = std::min(rest.size(), room);
      std::memcpy(to, rest.data(), size);
      to += size;
      room -= size;
      rest.remove_prefix(size);
    }
  }
  block(last).next.store(kNone, kRelaxed);

  std::atomic<std::uint32_t>& bucket =
      buckets_[static_cast<std::uint32_t>(facts.hash) & (geometry_.buckets - 1)];
  made.bucket_next.store(bucket.load(kRelaxed), kRelaxed);
  bucket.store(head, kRelaxed);
  add(header_->entries, 1u);
  return EvictionQueue(*this).add(head);
}

void Shard::reset() noexcept {
  std::memset(static_cast<void*>(buckets_), 0, std::size_t{geometry_.buckets} * sizeof(std::uint32_t));
  for (std::atomic<std::uint32_t>* word :
       {&header_->entries, &header_->touched, &header_->free_head, &header_->free_count, &header_->newest,
        &header_->oldest, &header_->hand}) {
    word->store(0, kRelaxed);
  }
}

}  // namespace cache_me
