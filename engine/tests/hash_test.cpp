#include "cache_me/hash.hpp"

#include <gtest/gtest.h>

namespace cache_me {
namespace {

// The empty input's value is from the XXH3 reference implementation (xxhash 0.8).
TEST(Hash64, MatchesTheReferenceValues) { EXPECT_EQ(hash64(""), 0x2D06800538D394C2ULL); }

TEST(Hash64, SeedAndContentMatter) {
  EXPECT_NE(hash64("product"), hash64("products"));
  EXPECT_NE(hash64("product", 1), hash64("product", 2));
  EXPECT_EQ(hash64("product", 7), hash64("product", 7));
}

}  // namespace
}  // namespace cache_me
