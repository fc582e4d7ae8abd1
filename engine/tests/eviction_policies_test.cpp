#include "../bench/eviction_policies.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <string>

namespace cache_me::study {
namespace {

constexpr std::uint64_t kOneBlock = 100;  // bytes

// Asks for keys written as letters, each of one block; answers which of them were hits.
template <class Policy>
std::string request_all(Policy& policy, const std::string& keys) {
  std::string hits;
  for (const char key : keys) {
    if (policy.request(static_cast<std::uint64_t>(key), kOneBlock)) hits += key;
  }
  return hits;
}

template <class Policy>
std::string held(const Policy& policy) {
  std::string keys;
  for (char key = 'a'; key <= 'z'; ++key) {
    if (policy.contains(static_cast<std::uint64_t>(key))) keys += key;
  }
  return keys;
}

template <class Policy>
class EveryPolicy : public testing::Test {};
using Policies = testing::Types<Fifo, Lru, Sieve, RenewingSieve, S3Fifo, SlotS3Fifo, WTinyLfu>;
TYPED_TEST_SUITE(EveryPolicy, Policies);

TYPED_TEST(EveryPolicy, NeverExceedsItsBlocks) {
  TypeParam policy({.blocks = 500, .expected_entries = 40});
  std::uint64_t fullest = 0;
  std::uint64_t hits = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const std::uint64_t random = mix64(i + 1);
    const std::uint64_t key = (random & 255) & ((random >> 8) & 255);  // the fewer bits, the more often
    const bool stale = (random >> 16) % 10 == 0;
    const std::uint64_t bytes = (random >> 24) % 30'000;  // anew each time; some over a quarter of the cache
    if (policy.request(key, bytes, stale)) ++hits;
    ASSERT_LE(policy.used_blocks(), policy.capacity_blocks());
    fullest = std::max(fullest, policy.used_blocks());
  }
  EXPECT_GT(fullest, 400u);
  EXPECT_GT(hits, 2'000u);
}

TYPED_TEST(EveryPolicy, MissesWhatWasInvalidatedAndHitsItAgainOncePut) {
  TypeParam policy({.blocks = 100, .expected_entries = 100});
  EXPECT_FALSE(policy.request(7, kOneBlock));
  EXPECT_TRUE(policy.request(7, kOneBlock));
  EXPECT_FALSE(policy.request(7, kOneBlock, true));
  EXPECT_TRUE(policy.request(7, kOneBlock));
  EXPECT_EQ(policy.used_blocks(), 1u);
}

TYPED_TEST(EveryPolicy, LeavesOutWhatTakesMoreThanAQuarter) {
  TypeParam policy({.blocks = 100, .expected_entries = 100});
  EXPECT_FALSE(policy.request(7, 26 * entries_file::kBlockBytes));
  EXPECT_FALSE(policy.contains(7));
  EXPECT_EQ(policy.used_blocks(), 0u);
}

TEST(EvictionBlocks, CountTheEntrysHeadAndTheLinks) {
  using entries_file::kHeadBytes, entries_file::kTailBytes;
  EXPECT_EQ(Shard::blocks_for(kHeadBytes), 1u);
  EXPECT_EQ(Shard::blocks_for(kHeadBytes + 1), 2u);
  EXPECT_EQ(Shard::blocks_for(kHeadBytes + kTailBytes), 2u);
  EXPECT_EQ(Shard::blocks_for(kHeadBytes + kTailBytes + 1), 3u);
}

TEST(FifoPolicy, EvictsTheOldestHoweverOftenItWasHit) {
  Fifo policy({.blocks = 4, .expected_entries = 4});
  EXPECT_EQ(request_all(policy, "abcdaae"), "aa");
  EXPECT_EQ(held(policy), "bcde");
}

TEST(LruPolicy, EvictsWhatWasAskedForLongestAgo) {
  Lru policy({.blocks = 4, .expected_entries = 4});
  EXPECT_EQ(request_all(policy, "abcdabe"), "ab");
  EXPECT_EQ(held(policy), "abde");
}

TEST(SievePolicy, KeepsTheVisitedWhereTheyStandAndGoesOnFromTheHand) {
  Sieve policy({.blocks = 4, .expected_entries = 4});
  EXPECT_EQ(request_all(policy, "abcdabe"), "ab");  // the hand passes a and b, takes c, stands at d
  EXPECT_EQ(held(policy), "abde");
  EXPECT_EQ(request_all(policy, "f"), "");  // d, not a, which is older and no longer marked
  EXPECT_EQ(held(policy), "abef");
  EXPECT_EQ(request_all(policy, "efg"), "ef");  // both passed; round again to a
  EXPECT_EQ(held(policy), "befg");
}

// The difference that renewing makes: a was asked for again when it was put again.
TEST(SievePolicy, SparesARenewedEntryOnlyIfRenewing) {
  Sieve plain({.blocks = 4, .expected_entries = 4});
  RenewingSieve renewing({.blocks = 4, .expected_entries = 4});
  request_all(plain, "abcd");
  request_all(renewing, "abcd");
  plain.request('a', kOneBlock, true);
  renewing.request('a', kOneBlock, true);
  request_all(plain, "efgh");
  request_all(renewing, "efgh");
  EXPECT_EQ(held(plain), "efgh");
  EXPECT_EQ(held(renewing), "afgh");
}

template <class Policy>
class EitherHistory : public testing::Test {};
using Histories = testing::Types<S3Fifo, SlotS3Fifo>;
TYPED_TEST_SUITE(EitherHistory, Histories);

TYPED_TEST(EitherHistory, PassesOnWhatIsHitTwiceAndLetsTheForgottenIntoTheMainQueue) {
  TypeParam policy({.blocks = 10, .expected_entries = 64});
  EXPECT_EQ(request_all(policy, "abcdefghijaab"), "aab");
  EXPECT_EQ(request_all(policy, "k"), "");  // a moves to the main queue; b, hit once only, leaves
  EXPECT_EQ(held(policy), "acdefghijk");
  EXPECT_EQ(request_all(policy, "b"), "");  // known: to the main queue, in place of c
  EXPECT_EQ(request_all(policy, "lmnopqrst"), "");
  EXPECT_EQ(held(policy), "abmnopqrst");  // the small queue only has moved
}

TEST(FrequencySketch, CountsUpToFifteenAndHalves) {
  FrequencySketch sketch(16);  // halves after 160 requests
  for (int i = 0; i < 100; ++i) sketch.add(1);
  EXPECT_EQ(sketch.estimate(1), 15u);
  EXPECT_EQ(sketch.estimate(2), 0u);
  for (int i = 0; i < 60; ++i) sketch.add(1);
  EXPECT_EQ(sketch.estimate(1), 7u);
}

TEST(WTinyLfuPolicy, AdmitsOnlyWhatIsAskedForMoreOftenThanItsVictim) {
  WTinyLfu policy({.blocks = 5, .expected_entries = 64});  // one block of window, four of main
  EXPECT_EQ(request_all(policy, "abcdabcd"), "abcd");
  EXPECT_EQ(request_all(policy, "eghijklm"), "");  // asked for once each: none gets past the window
  EXPECT_EQ(held(policy), "abcdm");
  EXPECT_EQ(request_all(policy, "mmn"), "mm");  // three times against the two of d, which isn't protected
  EXPECT_EQ(held(policy), "abcmn");
}

// Two entries of one request each stand against one of two blocks and two requests: the sum decides.
TEST(WTinyLfuPolicy, HoldsALargeEntryAgainstAllThatItWouldPushOut) {
  WTinyLfu policy({.blocks = 9, .expected_entries = 64});  // one block of window, eight of main
  request_all(policy, "abcdefgh");
  const std::uint64_t two_blocks = 300;
  EXPECT_FALSE(policy.request('y', two_blocks));
  EXPECT_FALSE(policy.request('y', two_blocks));
  EXPECT_FALSE(policy.contains('y'));
  EXPECT_FALSE(policy.request('y', two_blocks));
  EXPECT_TRUE(policy.contains('y'));
  EXPECT_EQ(held(policy), "cdefghy");
}

}  // namespace
}  // namespace cache_me::study
