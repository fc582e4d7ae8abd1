// What a process keeps of the store's entries, and how the store is asked whether they are still these.
#include "cache_me/kept_entries.hpp"

#include <optional>
#include <string>

#include "cache_me/shared_store.hpp"
#include "process_support.hpp"

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

TEST(SharedStoreGet, CopiesNothingForWhoHasTheSameEntry) {
  const testing::TemporaryDirectory directory;
  auto opened = SharedStore::open(directory / "django_cache_me.entries.test", {});
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  SharedStore& store = *opened.value();
  using Got = SharedStore::Got;
  std::string value;
  std::optional<std::uint64_t> checksum;
  EXPECT_EQ(store.get("a", value, checksum), Got::nothing);
  store.put("a", "1");
  store.put("b", "1");
  EXPECT_EQ(store.get("a", value, checksum), Got::copied);
  ASSERT_TRUE(checksum.has_value());
  value = "untouched";
  EXPECT_EQ(store.get("a", value, checksum), Got::same);
  EXPECT_EQ(value, "untouched");
  // The same bytes under another key are another entry; other bytes, and another end, too.
  const std::optional<std::uint64_t> first = checksum;
  EXPECT_EQ(store.get("b", value, checksum), Got::copied);
  EXPECT_NE(checksum, first);
  for (const auto& [bytes, ttl_ms] : {std::pair{"2", 0}, {"1", 60'000}}) {
    checksum = first;
    store.put("a", bytes, static_cast<std::uint64_t>(ttl_ms));
    EXPECT_EQ(store.get("a", value, checksum), Got::copied);
    EXPECT_EQ(value, bytes);
    EXPECT_NE(checksum, first);
  }
  store.put("a", "1");
  checksum = first;
  EXPECT_EQ(store.get("a", value, checksum), Got::same);
  store.erase("a");
  EXPECT_EQ(store.get("a", value, checksum), Got::nothing);
}

}  // namespace
}  // namespace cache_me
