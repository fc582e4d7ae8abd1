#include "cache_me/entry.hpp"

#include <gtest/gtest.h>

namespace cache_me {
namespace {

std::string EntryOf(std::vector<std::uint64_t> dependencies, std::vector<std::uint64_t> versions,
                    const std::string& rows) {
  std::string bytes;
  append_entry_head(bytes, 11, 22, dependencies, versions);
  return bytes + rows;
}

TEST(Entry, ComesBackAsItWas) {
  const std::string bytes = EntryOf({1, 2, 3}, {7, 8, 9}, "rows");
  const auto entry = parse_entry(bytes);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->head.fingerprint, 11u);
  EXPECT_EQ(entry->head.epoch, 22u);
  EXPECT_EQ(entry->head.dependencies, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(entry->head.versions, (std::vector<std::uint64_t>{7, 8, 9}));
  EXPECT_EQ(entry->rows, "rows");
}

TEST(Entry, MayRestOnNothingAndHoldNoRows) {
  const std::string bytes = EntryOf({}, {}, "");
  const auto entry = parse_entry(bytes);
  ASSERT_TRUE(entry);
  EXPECT_TRUE(entry->head.dependencies.empty());
  EXPECT_TRUE(entry->rows.empty());
}

TEST(Entry, EveryCutInTheHeadIsNoEntry) {
  const std::string whole = EntryOf({1, 2}, {3, 4}, "");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(parse_entry(std::string_view(whole).substr(0, length))) << length;
  }
}

TEST(Entry, ACountBeyondTheBytesIsNoEntry) {
  std::string bytes = EntryOf({1}, {2}, std::string(100, 'x'));
  bytes[4] = bytes[5] = bytes[6] = bytes[7] = static_cast<char>(0xFF);
  EXPECT_FALSE(parse_entry(bytes));
}

TEST(Entry, AnotherMagicIsNoEntry) {
  std::string bytes = EntryOf({1}, {2}, "");
  bytes[0] = 'X';
  EXPECT_FALSE(parse_entry(bytes));
}

}  // namespace
}  // namespace cache_me
