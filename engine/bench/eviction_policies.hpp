// Five eviction policies behind one interface, for eviction_study: each after its paper, none of them shared
// memory.
//
//   FIFO, LRU
//   SIEVE      Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024
//   S3-FIFO    Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023
//   W-TinyLFU  Einziger, Friedman, Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM ToS
//   13(4), 2017
//
// They share the index and the linked queues, built as the store's are (chained buckets, 32-bit links), so
// what differs in speed is what the policy itself does.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../src/shared_store_shard.hpp"

namespace cache_me::study {

inline std::uint64_t mix64(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// What a cache may hold: blocks bound it; the number of entries is only a guess that sizes tables.
struct Capacity {
  std::uint64_t blocks;
  std::uint64_t expected_entries;
};

struct Node {
  std::uint64_t key = 0;
  std::uint32_t chain = 0;
  std::uint32_t newer = 0;
  std::uint32_t older = 0;
  std::uint32_t blocks = 0;
  std::uint8_t mark = 0;   // SIEVE's visited bit, S3-FIFO's frequency
  std::uint8_t queue = 0;  // which of its policy's queues holds it
};

struct Queue {
  std::uint32_t newest = 0;
  std::uint32_t oldest = 0;
  std::uint64_t blocks = 0;
};

// Keys to nodes, and the queues' links among the nodes. Index 0 is no node.
class NodeTable {
 public:
  explicit NodeTable(std::uint64_t expected_entries)
      : buckets_(std::bit_ceil(std::max<std::uint64_t>(expected_entries, 1)), 0) {
    nodes_.reserve(expected_entries + 1);
    nodes_.emplace_back();
  }

  Node& operator[](std::uint32_t index) noexcept { return nodes_[index]; }

  std::uint32_t find(std::uint64_t key) const noexcept {
    std::uint32_t index = buckets_[bucket(key)];
    while (index != 0 && nodes_[index].key != key) index = nodes_[index].chain;
    return index;
  }

  std::uint32_t add(std::uint64_t key, std::uint32_t blocks) {
    std::uint32_t index = free_;
    if (index != 0) {
      free_ = nodes_[index].chain;
      nodes_[index] = {};
    } else {
      index = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
    }
    std::uint32_t& head = buckets_[bucket(key)];
    nodes_[index].key = key;
    nodes_[index].blocks = blocks;
    nodes_[index].chain = head;
    head = index;
    return index;
  }

  // The node must be in no queue any more.
  void drop(std::uint32_t index) noexcept {
    std::uint32_t* link = &buckets_[bucket(nodes_[index].key)];
    while (*link != index) link = &nodes_[*link].chain;
    *link = nodes_[index].chain;
    nodes_[index].chain = free_;
    free_ = index;
  }

  void push(Queue& queue, std::uint32_t index) noexcept {
    nodes_[index].newer = 0;
    nodes_[index].older = queue.newest;
    (queue.newest != 0 ? nodes_[queue.newest].newer : queue.oldest) = index;
    queue.newest = index;
    queue.blocks += nodes_[index].blocks;
  }

  void unlink(Queue& queue, std::uint32_t index) noexcept {
    const Node& node = nodes_[index];
    (node.newer != 0 ? nodes_[node.newer].older : queue.newest) = node.older;
    (node.older != 0 ? nodes_[node.older].newer : queue.oldest) = node.newer;
    queue.blocks -= node.blocks;
  }

 private:
  std::size_t bucket(std::uint64_t key) const noexcept { return mix64(key) & (buckets_.size() - 1); }

  std::vector<std::uint32_t> buckets_;
  std::vector<Node> nodes_;
  std::uint32_t free_ = 0;
};

// What all of them do alike. request() answers whether the cache had a valid entry; after a miss it holds the
// key, if the policy admits it. `stale` says that an entry for the key, if there is one, was invalidated
// since it was put: the store learns that only when it is asked for, so until then such an entry takes its
// room as any other.
//
// A policy has hit(index), remove(index) and miss(key, blocks, replaced), where `replaced` is the stale entry
// that was just removed, or null.
template <class Policy>
class PolicyBase {
 public:
  bool request(std::uint64_t key, std::uint64_t bytes, bool stale = false) {
    Policy& self = static_cast<Policy&>(*this);
    const std::uint32_t index = table_.find(key);
    if (index != 0 && !stale) {
      self.hit(index);
      return true;
    }
    Node replaced;
    if (index != 0) {
      replaced = table_[index];
      self.remove(index);
    }
    const auto blocks = static_cast<std::uint32_t>(Shard::blocks_for(bytes));
    // The store's own limit for an entry.
    if (blocks <= capacity_ / 4) self.miss(key, blocks, index != 0 ? &replaced : nullptr);
    return false;
  }

  bool contains(std::uint64_t key) const noexcept { return table_.find(key) != 0; }
  std::uint64_t capacity_blocks() const noexcept { return capacity_; }

 protected:
  explicit PolicyBase(Capacity capacity) : table_(capacity.expected_entries), capacity_(capacity.blocks) {}

  NodeTable table_;
  std::uint64_t capacity_;
};

class Fifo : public PolicyBase<Fifo> {
 public:
  static constexpr const char* kName = "FIFO";
  explicit Fifo(Capacity capacity) : PolicyBase(capacity) {}
  std::uint64_t used_blocks() const noexcept { return queue_.blocks; }

  void hit(std::uint32_t) noexcept {}
  void remove(std::uint32_t index) noexcept {
    table_.unlink(queue_, index);
    table_.drop(index);
  }
  void miss(std::uint64_t key, std::uint32_t blocks, const Node*) {
    while (queue_.blocks + blocks > capacity_) remove(queue_.oldest);
    table_.push(queue_, table_.add(key, blocks));
  }

 private:
  Queue queue_;
};

class Lru : public PolicyBase<Lru> {
 public:
  static constexpr const char* kName = "LRU";
  explicit Lru(Capacity capacity) : PolicyBase(capacity) {}
  std::uint64_t used_blocks() const noexcept { return queue_.blocks; }

  void hit(std::uint32_t index) noexcept {
    table_.unlink(queue_, index);
    table_.push(queue_, index);
  }
  void remove(std::uint32_t index) noexcept {
    table_.unlink(queue_, index);
    table_.drop(index);
  }
  void miss(std::uint64_t key, std::uint32_t blocks, const Node*) {
    while (queue_.blocks + blocks > capacity_) remove(queue_.oldest);
    table_.push(queue_, table_.add(key, blocks));
  }

 private:
  Queue queue_;
};

// The paper has no invalidation. With kRenews, an invalidated entry that is put again counts as visited
// (someone asked for its key once more); without, it is as new.
template <bool kRenews>
class SieveWith : public PolicyBase<SieveWith<kRenews>> {
  using Base = PolicyBase<SieveWith<kRenews>>;
  using Base::capacity_;
  using Base::table_;

 public:
  static constexpr const char* kName = kRenews ? "SIEVE, renewing" : "SIEVE";
  explicit SieveWith(Capacity capacity) : Base(capacity) {}
  std::uint64_t used_blocks() const noexcept { return queue_.blocks; }

  void hit(std::uint32_t index) noexcept { table_[index].mark = 1; }
  void remove(std::uint32_t index) noexcept {
    if (hand_ == index) hand_ = table_[index].newer;
    table_.unlink(queue_, index);
    table_.drop(index);
  }
  void miss(std::uint64_t key, std::uint32_t blocks, const Node* replaced) {
    while (queue_.blocks + blocks > capacity_) evict();
    const std::uint32_t index = table_.add(key, blocks);
    table_[index].mark = kRenews && replaced != nullptr ? 1 : 0;
    table_.push(queue_, index);
  }

 private:
  void evict() noexcept {
    std::uint32_t index = hand_ != 0 ? hand_ : queue_.oldest;
    while (table_[index].mark != 0) {
      table_[index].mark = 0;
      index = table_[index].newer != 0 ? table_[index].newer : queue_.oldest;
    }
    hand_ = index;  // remove() moves it on
    remove(index);
  }

  Queue queue_;
  std::uint32_t hand_ = 0;
};

using Sieve = SieveWith<false>;
using RenewingSieve = SieveWith<true>;

// The keys that left S3-FIFO's small queue, for as many bytes as its main queue has, in the order they left.
class ExactHistory {
 public:
  static constexpr const char* kName = "S3-FIFO";
  explicit ExactHistory(Capacity capacity)
      : keys_(capacity.expected_entries), limit_(capacity.blocks - capacity.blocks / 10) {}

  void add(std::uint64_t key, std::uint32_t blocks) {
    while (queue_.blocks + blocks > limit_) drop(queue_.oldest);
    keys_.push(queue_, keys_.add(key, blocks));
  }
  bool take(std::uint64_t key) noexcept {
    const std::uint32_t index = keys_.find(key);
    if (index != 0) drop(index);
    return index != 0;
  }

 private:
  void drop(std::uint32_t index) noexcept {
    keys_.unlink(queue_, index);
    keys_.drop(index);
  }

  NodeTable keys_;
  Queue queue_;
  std::uint64_t limit_;
};

// The same in four bytes an entry, as a shard could have it in shared memory: each slot has a fragment of the
// last hash that fell into it. No order and nothing linked, so nothing in it can be broken; a collision
// forgets a key.
class SlotHistory {
 public:
  static constexpr const char* kName = "S3-FIFO, slots";
  explicit SlotHistory(Capacity capacity)
      : slots_(std::bit_ceil(std::max<std::uint64_t>(capacity.expected_entries, 1)), 0) {}

  void add(std::uint64_t key, std::uint32_t) noexcept { slot(key) = fragment(key); }
  bool take(std::uint64_t key) noexcept {
    const bool known = slot(key) == fragment(key);
    if (known) slot(key) = 0;
    return known;
  }

 private:
  std::uint32_t& slot(std::uint64_t key) noexcept { return slots_[mix64(key) & (slots_.size() - 1)]; }
  static std::uint32_t fragment(std::uint64_t key) noexcept {
    return static_cast<std::uint32_t>(mix64(key) >> 32) | 1;
  }

  std::vector<std::uint32_t> slots_;
};

// A small queue (a tenth of the bytes) that an entry must be asked for in twice to leave for the main one,
// and a history of the keys that left the small one otherwise, which lets them into the main one at once.
template <class History>
class S3FifoWith : public PolicyBase<S3FifoWith<History>> {
  using Base = PolicyBase<S3FifoWith<History>>;
  using Base::capacity_;
  using Base::table_;

 public:
  static constexpr const char* kName = History::kName;
  explicit S3FifoWith(Capacity capacity) : Base(capacity), history_(capacity) {}
  std::uint64_t used_blocks() const noexcept { return small_.blocks + main_.blocks; }

  void hit(std::uint32_t index) noexcept {
    if (table_[index].mark < 3) ++table_[index].mark;
  }
  void remove(std::uint32_t index) noexcept {
    table_.unlink(table_[index].queue == kMain ? main_ : small_, index);
    table_.drop(index);
  }
  void miss(std::uint64_t key, std::uint32_t blocks, const Node* replaced) {
    // Who asks for an invalidated entry asks for its key again, as who asks for one in the history.
    bool to_main = replaced != nullptr && (replaced->queue == kMain || replaced->mark > 0);
    if (history_.take(key)) to_main = true;
    while (used_blocks() + blocks > capacity_) {
      if (small_.blocks >= capacity_ / 10 && small_.oldest != 0) {
        evict_small();
      } else {
        evict_main();
      }
    }
    const std::uint32_t index = table_.add(key, blocks);
    table_[index].queue = to_main ? kMain : kSmall;
    table_.push(to_main ? main_ : small_, index);
  }

 private:
  static constexpr std::uint8_t kSmall = 0, kMain = 1;

  // One entry at most leaves the small queue for good; those before it move to the main one.
  void evict_small() noexcept {
    while (small_.oldest != 0) {
      const std::uint32_t index = small_.oldest;
      if (table_[index].mark <= 1) {
        history_.add(table_[index].key, table_[index].blocks);
        remove(index);
        return;
      }
      table_.unlink(small_, index);
      table_[index].queue = kMain;
      table_[index].mark = 0;
      table_.push(main_, index);
    }
  }

  void evict_main() noexcept {
    while (main_.oldest != 0) {
      const std::uint32_t index = main_.oldest;
      if (table_[index].mark == 0) {
        remove(index);
        return;
      }
      --table_[index].mark;
      table_.unlink(main_, index);
      table_.push(main_, index);
    }
    evict_small();
  }

  Queue small_, main_;
  History history_;
};

using S3Fifo = S3FifoWith<ExactHistory>;
using SlotS3Fifo = S3FifoWith<SlotHistory>;

// TinyLFU's history: a count-min sketch of four rows of 4-bit counters, all halved after ten requests an
// entry.
class FrequencySketch {
 public:
  explicit FrequencySketch(std::uint64_t entries)
      : words_per_row_(std::bit_ceil(std::max<std::uint64_t>(entries, 16)) * 4 / 16),
        words_(words_per_row_ * kRows, 0),
        sample_(10 * std::max<std::uint64_t>(entries, 16)) {}

  // Only the lowest counters grow ("conservative update"), which keeps collisions from adding up.
  void add(std::uint64_t key) noexcept {
    const std::uint32_t least = estimate(key);
    if (least < 15) {
      for (std::uint32_t row = 0; row < kRows; ++row) {
        const Place at = place(key, row);
        if (((words_[at.word] >> at.shift) & 15) == least) words_[at.word] += std::uint64_t{1} << at.shift;
      }
    }
    if (++added_ < sample_) return;
    for (std::uint64_t& word : words_) word = (word >> 1) & 0x7777777777777777ULL;
    added_ /= 2;
  }

  std::uint32_t estimate(std::uint64_t key) const noexcept {
    std::uint32_t least = 15;
    for (std::uint32_t row = 0; row < kRows; ++row) {
      const Place at = place(key, row);
      least = std::min(least, static_cast<std::uint32_t>((words_[at.word] >> at.shift) & 15));
    }
    return least;
  }

 private:
  static constexpr std::uint32_t kRows = 4;
  struct Place {
    std::size_t word;
    std::uint32_t shift;
  };

  Place place(std::uint64_t key, std::uint32_t row) const noexcept {
    const std::uint64_t hash = mix64(key + (row + 1) * 0x9E3779B97F4A7C15ULL);
    return {row * words_per_row_ + ((hash >> 4) & (words_per_row_ - 1)),
            static_cast<std::uint32_t>(hash & 15) * 4};
  }

  std::uint64_t words_per_row_;
  std::vector<std::uint64_t> words_;
  std::uint64_t sample_;
  std::uint64_t added_ = 0;
};

// An LRU window of a hundredth of the bytes before a segmented LRU (protected: four fifths), which admits
// what leaves the window only if it was asked for more often than what it would push out. The paper counts
// entries; here one may push out several, so it is held against their sum, after Einziger et al.,
// "Lightweight Robust Size Aware Cache Management", ACM ToS 18(3), 2022. For entries of one size that is the
// same.
class WTinyLfu : public PolicyBase<WTinyLfu> {
 public:
  static constexpr const char* kName = "W-TinyLFU";
  explicit WTinyLfu(Capacity capacity)
      : PolicyBase(capacity),
        sketch_(capacity.expected_entries),
        window_blocks_(std::max<std::uint64_t>(capacity.blocks / 100, 1)),
        protected_blocks_((capacity.blocks - window_blocks_) * 4 / 5) {}
  std::uint64_t used_blocks() const noexcept { return queues_[kWindow].blocks + main_blocks(); }

  void hit(std::uint32_t index) noexcept {
    sketch_.add(table_[index].key);
    move(index, table_[index].queue == kWindow ? kWindow : kProtected);
    while (queues_[kProtected].blocks > protected_blocks_) move(queues_[kProtected].oldest, kProbation);
  }
  void remove(std::uint32_t index) noexcept {
    table_.unlink(queues_[table_[index].queue], index);
    table_.drop(index);
  }
  // What was invalidated comes back to the segment where it was.
  void miss(std::uint64_t key, std::uint32_t blocks, const Node* replaced) {
    sketch_.add(key);
    const std::uint32_t index = table_.add(key, blocks);
    const std::uint8_t queue = replaced != nullptr && replaced->queue != kWindow ? kProbation : kWindow;
    table_[index].queue = queue;
    table_.push(queues_[queue], index);
    while (main_blocks() > capacity_ - window_blocks_) remove(oldest_of_main());
    while (queues_[kWindow].blocks > window_blocks_) admit(queues_[kWindow].oldest);
  }

 private:
  static constexpr std::uint8_t kWindow = 0, kProbation = 1, kProtected = 2;

  void move(std::uint32_t index, std::uint8_t queue) noexcept {
    table_.unlink(queues_[table_[index].queue], index);
    table_[index].queue = queue;
    table_.push(queues_[queue], index);
  }

  std::uint64_t main_blocks() const noexcept {
    return queues_[kProbation].blocks + queues_[kProtected].blocks;
  }

  std::uint32_t oldest_of_main() const noexcept {
    return queues_[kProbation].oldest != 0 ? queues_[kProbation].oldest : queues_[kProtected].oldest;
  }

  void admit(std::uint32_t index) noexcept {
    const std::uint64_t room = capacity_ - window_blocks_;
    const std::uint64_t wanted = main_blocks() + table_[index].blocks;
    const std::uint64_t excess = wanted > room ? wanted - room : 0;
    std::uint32_t rivals = 0;
    std::uint64_t freed = 0;
    std::uint32_t victim = oldest_of_main();
    const std::uint32_t own = excess != 0 ? sketch_.estimate(table_[index].key) : 0;
    while (freed < excess) {
      rivals += sketch_.estimate(table_[victim].key);
      if (own <= rivals) {
        remove(index);
        return;
      }
      freed += table_[victim].blocks;
      const std::uint32_t next = table_[victim].newer;
      victim = next != 0 || table_[victim].queue == kProtected ? next : queues_[kProtected].oldest;
    }
    for (freed = 0; freed < excess;) {
      victim = oldest_of_main();
      freed += table_[victim].blocks;
      remove(victim);
    }
    move(index, kProbation);
  }

  FrequencySketch sketch_;
  std::uint64_t window_blocks_;
  std::uint64_t protected_blocks_;
  Queue queues_[3];
};

}  // namespace cache_me::study
