#include "store_shard.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "cache_me/hash.hpp"

// Nothing read from the memory is believed: block() answers only for indices that exist, and every walk is
// bounded by the number of blocks. What doesn't add up empties the shard: its entries were misses from then
// on anyway.
//
// The change mark needs no more than the compiler's order: a process that is killed has done its stores in
// program order as far as any other process can see after it has found the kernel's lock free (a full
// barrier).

namespace cache_me {
namespace {

constexpr std::uint32_t kFirstPayload = kBlockSize - sizeof(EntryBlock);
constexpr std::uint32_t kNextPayload = kBlockSize - sizeof(std::uint32_t);

std::uint32_t load_next(const std::byte* block) {
  std::uint32_t next;
  std::memcpy(&next, block, sizeof next);
  return next;
}

void store_next(std::byte* block, std::uint32_t next) {
  std::memcpy(block, &next, sizeof next);
}

}  // namespace

std::uint64_t entry_checksum(std::uint64_t hash, std::uint64_t expires_ms, std::string_view value) noexcept {
  return hash64(value, hash ^ (expires_ms * 0x9E3779B97F4A7C15ULL));
}

StoreShard::StoreShard(std::span<std::byte> memory) : header_(reinterpret_cast<ShardHeader*>(memory.data())) {
  // Four blocks an entry, about: a bucket for each four blocks.
  const std::uint64_t space = memory.size() - sizeof(ShardHeader) - kBlockSize;
  const auto estimate = static_cast<std::uint32_t>(space / (kBlockSize + 1));
  bucket_count_ = std::bit_ceil(std::max(estimate / 4, 1u));
  block_count_ = static_cast<std::uint32_t>((space - bucket_count_ * sizeof(std::uint32_t)) / kBlockSize);
  buckets_ = reinterpret_cast<std::uint32_t*>(memory.data() + sizeof(ShardHeader));
  const std::size_t offset = sizeof(ShardHeader) + bucket_count_ * sizeof(std::uint32_t);
  blocks_ = memory.data() + (offset + kBlockSize - 1) / kBlockSize * kBlockSize;
}

void StoreShard::reset() {
  const Change change(*header_);
  std::memset(buckets_, 0, bucket_count_ * sizeof(std::uint32_t));
  for (std::uint32_t i = 1; i <= block_count_; ++i) store_next(block(i), i == block_count_ ? 0 : i + 1);
  header_->free_head = block_count_ == 0 ? 0 : 1;
  header_->free_count = block_count_;
  header_->newest = header_->oldest = header_->hand = 0;
  header_->entries = 0;
}

std::byte* StoreShard::block(std::uint32_t index) const noexcept {
  if (index == 0 || index > block_count_) return nullptr;
  return blocks_ + std::size_t{index - 1} * kBlockSize;
}

EntryBlock* StoreShard::entry(std::uint32_t index) const noexcept {
  return reinterpret_cast<EntryBlock*>(block(index));
}

std::uint32_t* StoreShard::bucket(std::uint64_t hash) const noexcept {
  return buckets_ + (hash & (bucket_count_ - 1));
}

std::uint32_t StoreShard::blocks_for(std::uint64_t bytes) noexcept {
  if (bytes <= kFirstPayload) return 1;
  return static_cast<std::uint32_t>(1 + (bytes - kFirstPayload + kNextPayload - 1) / kNextPayload);
}

// `size` bytes of the entry's payload from `offset` on.
bool StoreShard::read(const EntryBlock& head, std::uint64_t offset, std::uint64_t size,
                      char* out) const noexcept {
  const std::byte* current = reinterpret_cast<const std::byte*>(&head);
  std::uint32_t begin = sizeof(EntryBlock);
  std::uint64_t payload = kFirstPayload;
  while (size != 0) {
    if (offset < payload) {
      const std::uint64_t part = std::min(size, payload - offset);
      std::memcpy(out, current + begin + offset, part);
      out += part;
      size -= part;
      offset = 0;
      if (size == 0) return true;
    } else {
      offset -= payload;
    }
    current = block(load_next(current));
    if (current == nullptr) return false;
    begin = sizeof(std::uint32_t);
    payload = kNextPayload;
  }
  return true;
}

bool StoreShard::write(EntryBlock& head, std::string_view key, std::string_view value) noexcept {
  std::byte* current = reinterpret_cast<std::byte*>(&head);
  std::uint32_t at = sizeof(EntryBlock);
  for (std::string_view part : {key, value}) {
    while (!part.empty()) {
      if (at == kBlockSize) {
        current = block(load_next(current));
        if (current == nullptr) return false;
        at = sizeof(std::uint32_t);
      }
      const std::size_t size = std::min<std::size_t>(part.size(), kBlockSize - at);
      std::memcpy(current + at, part.data(), size);
      at += static_cast<std::uint32_t>(size);
      part.remove_prefix(size);
    }
  }
  return true;
}

bool StoreShard::key_equals(const EntryBlock& head, std::string_view key) const noexcept {
  if (head.key_size != key.size()) return false;
  if (key.size() <= kFirstPayload) {
    return std::memcmp(reinterpret_cast<const std::byte*>(&head) + sizeof(EntryBlock), key.data(),
                       key.size()) == 0;
  }
  std::string stored(key.size(), '\0');
  return read(head, 0, key.size(), stored.data()) && stored == key;
}

std::uint32_t StoreShard::lookup(std::uint64_t hash, std::string_view key) noexcept {
  std::uint32_t index = *bucket(hash);
  for (std::uint32_t steps = 0; index != 0 && steps <= block_count_; ++steps) {
    const EntryBlock* head = entry(index);
    if (head == nullptr) return 0;
    if (head->hash == hash && key_equals(*head, key)) return index;
    index = head->chain;
  }
  return 0;
}

StoreShard::Outcome StoreShard::find(std::uint64_t hash, std::string_view key, std::uint64_t now_ms,
                                     std::string& value, FoundEntry& found) {
  const std::uint32_t index = lookup(hash, key);
  if (index == 0) return Outcome::absent;
  EntryBlock& head = *entry(index);
  if (head.expires_ms != 0 && head.expires_ms <= now_ms) {
    if (!remove(index)) give_up();
    return Outcome::expired;
  }
  if (head.value_size > std::uint64_t{block_count_} * kBlockSize) return Outcome::corrupt;
  value.resize(head.value_size);
  if (!read(head, head.key_size, head.value_size, value.data())) return Outcome::corrupt;
  head.visited = 1;
  found = {head.checksum, head.expires_ms};
  return Outcome::found;
}

bool StoreShard::put(std::uint64_t hash, std::string_view key, std::string_view value,
                     std::uint64_t expires_ms, std::uint64_t checksum) {
  const std::uint32_t needed = blocks_for(std::uint64_t{key.size()} + value.size());
  if (needed > block_count_ / 4) return false;
  const std::uint32_t old = lookup(hash, key);
  if (old != 0 && !remove(old)) give_up();
  while (header_->free_count < needed) {
    if (!evict()) give_up();
  }
  std::uint32_t index = allocate(needed);
  if (index == 0) {
    give_up();
    index = allocate(needed);
  }
  const Change change(*header_);
  EntryBlock& head = *entry(index);
  head.key_size = static_cast<std::uint32_t>(key.size());
  head.value_size = static_cast<std::uint32_t>(value.size());
  head.hash = hash;
  head.checksum = checksum;
  head.expires_ms = expires_ms;
  // An entry was invalidated and its key asked for again: were it as new, what is often written to would be
  // evicted for that, however often it's read (docs/decisions/eviction-policy.md).
  head.visited = old != 0 ? 1 : 0;
  head.unused = 0;
  write(head, key, value);
  head.chain = *bucket(hash);
  *bucket(hash) = index;
  head.newer = 0;
  head.older = header_->newest;
  if (EntryBlock* newest = entry(header_->newest)) newest->newer = index;
  header_->newest = index;
  if (header_->oldest == 0) header_->oldest = index;
  ++header_->entries;
  return true;
}

bool StoreShard::erase(std::uint64_t hash, std::string_view key) {
  const std::uint32_t index = lookup(hash, key);
  if (index == 0) return false;
  if (!remove(index)) give_up();
  return true;
}

// A chain of `count` blocks from the free list; 0 if the list doesn't hold what it says.
std::uint32_t StoreShard::allocate(std::uint32_t count) noexcept {
  const Change change(*header_);
  const std::uint32_t first = header_->free_head;
  std::uint32_t last = first;
  for (std::uint32_t i = 1; i < count; ++i) {
    const std::byte* current = block(last);
    if (current == nullptr) return 0;
    last = load_next(current);
  }
  std::byte* end = block(last);
  if (block(first) == nullptr || end == nullptr) return 0;
  header_->free_head = load_next(end);
  header_->free_count -= count;
  store_next(end, 0);
  return first;
}

bool StoreShard::release(std::uint32_t first, std::uint32_t count) noexcept {
  std::uint32_t last = first;
  for (std::uint32_t i = 1; i < count; ++i) {
    const std::byte* current = block(last);
    if (current == nullptr) return false;
    last = load_next(current);
  }
  std::byte* end = block(last);
  if (end == nullptr || load_next(end) != 0) return false;
  store_next(end, header_->free_head);
  header_->free_head = first;
  header_->free_count += count;
  return header_->free_count <= block_count_;
}

bool StoreShard::unlink_from_bucket(std::uint32_t index, const EntryBlock& head) noexcept {
  std::uint32_t* link = bucket(head.hash);
  for (std::uint32_t steps = 0; steps <= block_count_; ++steps) {
    if (*link == index) {
      *link = head.chain;
      return true;
    }
    EntryBlock* current = entry(*link);
    if (current == nullptr) return false;
    link = &current->chain;
  }
  return false;
}

bool StoreShard::unlink_from_queue(const EntryBlock& head) noexcept {
  EntryBlock* newer = entry(head.newer);
  EntryBlock* older = entry(head.older);
  if ((head.newer != 0 && newer == nullptr) || (head.older != 0 && older == nullptr)) return false;
  (newer != nullptr ? newer->older : header_->newest) = head.older;
  (older != nullptr ? older->newer : header_->oldest) = head.newer;
  return true;
}

bool StoreShard::remove(std::uint32_t index) noexcept {
  const Change change(*header_);
  const EntryBlock head = *entry(index);
  if (header_->hand == index) header_->hand = head.newer;
  const std::uint64_t bytes = std::uint64_t{head.key_size} + head.value_size;
  if (bytes > std::uint64_t{block_count_} * kBlockSize) return false;
  if (!unlink_from_bucket(index, head) || !unlink_from_queue(head)) return false;
  --header_->entries;
  return release(index, blocks_for(bytes));
}

// SIEVE: the hand goes from old to new, spares what was visited since it came by, and takes the first other
// one.
bool StoreShard::evict() noexcept {
  std::uint32_t index = header_->hand != 0 ? header_->hand : header_->oldest;
  for (std::uint64_t steps = 0; steps <= 2 * std::uint64_t{block_count_}; ++steps) {
    EntryBlock* head = entry(index);
    if (head == nullptr) return false;
    if (head->visited == 0) {
      header_->hand = index;  // remove() moves it on
      header_->evictions.fetch_add(1, std::memory_order_relaxed);
      return remove(index);
    }
    head->visited = 0;
    index = head->newer != 0 ? head->newer : header_->oldest;
  }
  return false;
}

void StoreShard::give_up() {
  header_->corrupt.fetch_add(1, std::memory_order_relaxed);
  reset();
}

void StoreShard::list(std::uint64_t now_ms, std::vector<StoredEntry>& out) {
  std::uint32_t index = header_->newest;
  for (std::uint32_t steps = 0; index != 0 && steps <= block_count_; ++steps) {
    const EntryBlock* head = entry(index);
    if (head == nullptr) return;
    StoredEntry found;
    if (head->key_size <= std::uint64_t{block_count_} * kBlockSize) {
      found.key.resize(head->key_size);
      found.value_size = head->value_size;
      found.ttl_left_ms = head->expires_ms > now_ms ? head->expires_ms - now_ms : 0;
      const bool expired = head->expires_ms != 0 && head->expires_ms <= now_ms;
      if (!expired && read(*head, 0, head->key_size, found.key.data())) out.push_back(std::move(found));
    }
    index = head->older;
  }
}

bool StoreShard::check() {
  std::uint32_t free = 0;
  for (std::uint32_t i = header_->free_head; i != 0 && free <= block_count_; ++free) {
    const std::byte* current = block(i);
    if (current == nullptr) return false;
    i = load_next(current);
  }
  if (free != header_->free_count) return false;
  std::uint32_t entries = 0;
  std::uint64_t used = 0;
  std::uint32_t newer = 0;
  for (std::uint32_t i = header_->newest; i != 0 && entries <= block_count_; ++entries) {
    const EntryBlock* head = entry(i);
    if (head == nullptr || head->newer != newer) return false;
    used += blocks_for(std::uint64_t{head->key_size} + head->value_size);
    std::string key(head->key_size, '\0');
    if (!read(*head, 0, head->key_size, key.data()) || lookup(head->hash, key) != i) return false;
    newer = i;
    i = head->older;
  }
  return entries == header_->entries && newer == header_->oldest && used + free == block_count_;
}

}  // namespace cache_me
