#include "cache_me/kept_entries.hpp"

#include <gtest/gtest.h>

#include <string>

namespace cache_me {
namespace {

Entry entry_of(std::string_view rows, std::size_t dependencies = 3) {
  Entry entry;
  entry.head.fingerprint = 7;
  for (std::size_t i = 0; i < dependencies; ++i) {
    entry.head.dependencies.push_back(i);
    entry.head.versions.push_back(2 * i);
  }
  entry.rows = rows;
  return entry;
}

void keep(KeptEntries& kept, std::string_view key, std::uint64_t checksum, std::string_view rows,
          std::size_t dependencies = 3) {
  const Entry entry = entry_of(rows, dependencies);
  for (int i = 0; i < 2; ++i) kept.keep(key, checksum, rows.size(), entry);
}

TEST(KeptEntries, GivesBackWhatItKeeps) {
  KeptEntries kept;
  EXPECT_EQ(kept.find("a"), nullptr);
  std::string rows(2000, 'x');
  kept.keep("a", 5, rows.size(), entry_of(rows));
  EXPECT_EQ(kept.find("a"), nullptr);  // seen once
  kept.keep("a", 5, rows.size(), entry_of(rows));
  rows.assign(2000, 'y');
  const auto found = kept.find("a");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->checksum, 5u);
  EXPECT_EQ(found->rows, std::string(2000, 'x'));
  EXPECT_EQ(found->head.versions, (std::vector<std::uint64_t>{0, 2, 4}));
  EXPECT_EQ(kept.find("b"), nullptr);
}

TEST(KeptEntries, ANewOneTakesThePlaceAndTheOldOneStaysForWhoHasIt) {
  KeptEntries kept;
  keep(kept, "a", 5, std::string(2000, 'x'));
  const auto before = kept.find("a");
  keep(kept, "a", 6, std::string(2000, 'y'));
  EXPECT_EQ(kept.find("a")->checksum, 6u);
  EXPECT_EQ(before->rows, std::string(2000, 'x'));
}

TEST(KeptEntries, SmallAndLargeOnesAreNotKept) {
  KeptEntries kept;
  keep(kept, "a", 5, std::string(KeptEntries::kLeast - 1, 'x'));
  keep(kept, "b", 5, std::string(KeptEntries::kMost + 1, 'x'));
  EXPECT_EQ(kept.find("a"), nullptr);
  EXPECT_EQ(kept.find("b"), nullptr);
  EXPECT_EQ(kept.bytes(), 0u);
}

TEST(KeptEntries, KeysThatTakeTurnsInOnePlaceLeaveItAsItIs) {
  KeptEntries kept;
  const std::string rows(2000, 'x');
  keep(kept, "first", 1, rows);
  // Of so many, some share its place.
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 2; i < 5000; ++i) kept.keep(std::to_string(i), i, rows.size(), entry_of(rows));
  }
  EXPECT_NE(kept.find("first"), nullptr);
}

TEST(KeptEntries, BytesAreBounded) {
  KeptEntries kept;
  const std::string rows(KeptEntries::kMost, 'x');
  std::size_t found = 0;
  for (int i = 0; i < 2000; ++i) {
    keep(kept, std::to_string(i), static_cast<std::uint64_t>(i) + 1, rows, 500);
    EXPECT_LE(kept.bytes(), KeptEntries::kMostBytes);
    EXPECT_NE(kept.find(std::to_string(i)), nullptr);
  }
  for (int i = 0; i < 2000; ++i) {
    if (kept.find(std::to_string(i)) != nullptr) ++found;
  }
  EXPECT_GT(found, 20u);
  EXPECT_LT(found, 40u);
}

}  // namespace
}  // namespace cache_me
