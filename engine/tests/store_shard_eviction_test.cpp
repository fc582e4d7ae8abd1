#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../src/store_shard.hpp"
#include "cache_me/hash.hpp"

namespace cache_me {
namespace {

struct alignas(64) Line {
  std::byte bytes[64];
};

// A shard in plain memory, with entries of one block each.
class StoreShardEviction : public testing::Test {
 protected:
  StoreShardEviction() { shard_.reset(); }

  void put(const std::string& key) {
    const std::uint64_t hash = hash64(key);
    ASSERT_TRUE(shard_.put(hash, key, "value", 0, entry_checksum(hash, 0, "value")));
  }

  // Without marking anything, as get() would.
  bool holds(const std::string& key) {
    std::vector<StoredEntry> entries;
    shard_.list(0, entries);
    for (const StoredEntry& entry : entries) {
      if (entry.key == key) return true;
    }
    return false;
  }

  std::uint32_t capacity() const { return shard_.blocks(); }
  void fill(const std::string& prefix, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) put(prefix + std::to_string(i));
  }
  void get(const std::string& key) {
    std::string value;
    FoundEntry found;
    ASSERT_EQ(shard_.find(hash64(key), key, 0, value, found), StoreShard::Outcome::found);
  }
  bool is_sound() { return shard_.check(); }

 private:
  std::vector<Line> memory_ = std::vector<Line>(1024);
  StoreShard shard_{std::as_writable_bytes(std::span(memory_))};
};

TEST_F(StoreShardEviction, SparesWhatWasReadAndTakesTheOldestOther) {
  put("read");
  put("unread");
  fill("filler", capacity() - 2);
  get("read");
  put("one more");
  EXPECT_TRUE(holds("read"));
  EXPECT_FALSE(holds("unread"));
  EXPECT_TRUE(is_sound());
}

// Whoever puts a key anew that is there found its entry invalidated and asked for it all the same.
TEST_F(StoreShardEviction, SparesWhatWasPutAgain) {
  put("again");
  fill("filler", capacity() - 1);
  put("again");
  fill("later", capacity());  // the hand takes all the others and comes to it
  EXPECT_TRUE(holds("again"));
  for (std::uint32_t i = 1; i < capacity(); ++i) get("later" + std::to_string(i));
  put("latest");  // the hand passes all these, and spares the first one once only
  EXPECT_FALSE(holds("again"));
  EXPECT_TRUE(is_sound());
}

}  // namespace
}  // namespace cache_me
