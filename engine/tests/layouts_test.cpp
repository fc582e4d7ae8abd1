// Programs of several releases that open one file at once: the newest layout wins, and nobody works on a file
// that others have left.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "../src/shared_store_file.hpp"
#include "cache_me/hash.hpp"
#include "cache_me/shared_store.hpp"
#include "version_table_fixture.hpp"

namespace cache_me::testing {
namespace {

constexpr std::uint32_t kOurs = entries_file::kEntriesLayout;
constexpr std::uint64_t kRegion = 1 << 18;

class LayoutsTest : public ::testing::Test {
 protected:
  LayoutsTest() { options_.capacity = 1 << 20; }

  std::string path() const { return directory_ / "django_cache_me.entries.test"; }
  Result<std::shared_ptr<SharedStore>> open() const { return SharedStore::open(path(), options_); }
  // As a program of another release does.
  Result<MappedFile> open_as(std::uint32_t layout) const {
    return MappedFile::open(path(), {}, entries_file::format(path(), kRegion, 2, layout));
  }
  std::unique_ptr<entries_file::Header> header() const {
    auto header = std::make_unique<entries_file::Header>();
    std::ifstream(path(), std::ios::binary).read(reinterpret_cast<char*>(header.get()), sizeof *header);
    return header;
  }
  void overwrite(const entries_file::Header& header) const {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    ASSERT_TRUE(file.good());
  }
  // All bodies in processes of their own, which go on at the same moment.
  static void AtOnce(const std::vector<Child::Body>& bodies) {
    std::vector<std::unique_ptr<Child>> children;
    for (const Child::Body& body : bodies) {
      children.push_back(std::make_unique<Child>([&](Child& self) {
        self.wait_for_word();
        return body(self);
      }));
    }
    for (const auto& child : children) child->go_on();
    for (const auto& child : children) EXPECT_TRUE(child->passed());
  }
  std::size_t files() const {
    const auto entries = std::filesystem::directory_iterator(directory_.path());
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  }

  TemporaryDirectory directory_;
  SharedStore::Options options_;
};

TEST_F(LayoutsTest, AnOlderAndANewerProgramThatOpenAtOnce) {
  const Child::Body ours = [&](Child&) {
    auto store = open();
    // Refused, or first: then it is told as soon as the newer one has replaced the file.
    if (!store) return store.status().code() == StatusCode::incompatible;
    const PutOutcome outcome = (*store)->put("a", "1");
    return outcome == PutOutcome::stored || outcome == PutOutcome::unusable;
  };
  const Child::Body newer = [&](Child&) {
    auto file = open_as(kOurs + 1);
    return file.ok() && file->still_at_path();
  };
  for (int round = 0; round < 30; ++round) {
    AtOnce(round % 2 == 0 ? std::vector{ours, newer, ours, newer} : std::vector{newer, ours, newer, ours});
    EXPECT_EQ(header()->layout, kOurs + 1);
    EXPECT_EQ(header()->state.load(), entries_file::kReady);
    EXPECT_EQ(files(), 1u);
    std::filesystem::remove(path());
  }
}

TEST_F(LayoutsTest, TheOlderProgramThatWasFirstIsToldAndThenRefused) {
  const auto ours = open().value();
  ASSERT_EQ(ours->put("a", "1"), PutOutcome::stored);
  ASSERT_TRUE(open_as(kOurs + 1).ok());
  std::string value;
  EXPECT_FALSE(ours->get("a", value));
  EXPECT_EQ(ours->put("a", "2"), PutOutcome::unusable);
  EXPECT_TRUE(ours->refresh_needed());
  const auto again = open();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.status().code(), StatusCode::incompatible);
  EXPECT_NE(again.status().message().find("newer"), std::string::npos) << again.status().message();
  EXPECT_EQ(header()->layout, kOurs + 1) << "the newer program's file is left alone";
}

TEST_F(LayoutsTest, ProcessesThatMeetAnOlderFileAtOnceReplaceItOnce) {
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(open_as(kOurs - 1).ok());
    std::vector<Child::Body> bodies;
    for (int number = 0; number < 6; ++number) {
      bodies.push_back([&, number](Child&) {
        auto store = open();
        return store.ok() && (*store)->put("child" + std::to_string(number), "1") == PutOutcome::stored;
      });
    }
    AtOnce(bodies);
    const auto store = open().value();
    EXPECT_FALSE(store->created());
    std::string value;
    for (int number = 0; number < 6; ++number) {
      EXPECT_TRUE(store->get("child" + std::to_string(number), value)) << "somebody replaced it once more";
    }
    EXPECT_EQ(files(), 1u);
    std::filesystem::remove(path());
  }
}

// Its header is whole in all other respects: only the boot says that the entries' times mean nothing now.
TEST_F(LayoutsTest, AFileOfAnotherBootIsReplaced) {
  ASSERT_EQ(open().value()->put("a", "1"), PutOutcome::stored);
  const auto old = header();
  const auto seal = [&] {
    const std::uint64_t numbers[] = {old->magic, old->layout, old->size, old->region, old->seed, old->shards};
    old->checksum = hash64({reinterpret_cast<const char*>(numbers), sizeof numbers},
                           hash64({old->boot_id, sizeof old->boot_id}));
  };
  const std::uint64_t checksum = old->checksum;
  seal();
  ASSERT_EQ(old->checksum, checksum) << "the test knows how a header is sealed";
  std::memcpy(old->boot_id, "00000000-0000-0000-0000-000000000000", 36);
  seal();
  overwrite(*old);
  const auto store = open().value();
  EXPECT_TRUE(store->created());
  std::string value;
  EXPECT_FALSE(store->get("a", value));
}

class VersionLayoutsTest : public VersionTableTest {};

TEST_F(VersionLayoutsTest, ProcessesThatMeetAnOlderFileAtOnceReplaceItOnce) {
  for (int round = 0; round < 10; ++round) {
    open();
    overwrite(offsetof(version_file::Header, layout), version_file::kLayout - 1);
    std::vector<std::unique_ptr<Child>> children;
    for (int count = 0; count < 6; ++count) {
      children.push_back(std::make_unique<Child>([&](Child& self) {
        self.wait_for_word();
        const Dependency one[] = {1};
        Result<Table> table = try_open();
        return table.ok() && (*table)->bump(one);
      }));
    }
    for (const auto& child : children) child->go_on();
    for (const auto& child : children) EXPECT_TRUE(child->passed());
    EXPECT_EQ(open()->clock(), 7u) << "it begins at 1, and six have bumped the one new file";
    std::filesystem::remove(path());
  }
}

}  // namespace
}  // namespace cache_me::testing
