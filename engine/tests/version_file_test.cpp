// Opening, replacing, refusing and removing version files.
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>

#include "version_table_fixture.hpp"

namespace cache_me::testing {
namespace {

class VersionFileTest : public VersionTableTest {};

TEST_F(VersionFileTest, ANewFileWaitsForTwoLeasesUnlessItsDatabaseIsNew) {
  options_.fresh = false;
  const Table table = open();
  EXPECT_TRUE(table->created());
  EXPECT_FALSE(table->usable());
  EXPECT_TRUE(table->still_ours());
  EXPECT_TRUE(fill(*table, {1}).empty());
  EXPECT_FALSE(hits(*table, {1}, {0}));
  Intent intent = declare(*table, {1});  // writers declare all the same
  EXPECT_TRUE(carries(*table, {1}));
  EXPECT_TRUE(table->finish(std::move(intent)));
  sleep_ms(1000);
  EXPECT_FALSE(table->usable());
  EXPECT_FALSE(open()->usable());
  sleep_ms(1100);
  EXPECT_TRUE(table->usable());
  EXPECT_TRUE(hits(*table, {1}, fill(*table, {1})));
}

TEST_F(VersionFileTest, AFileThatReplacesAnotherWaitsThoughItsDatabaseIsSaidToBeNew) {
  EXPECT_TRUE(open()->usable());
  overwrite(offsetof(version_file::Header, epoch), std::uint64_t{0});
  const Table table = open();
  EXPECT_TRUE(table->created());
  EXPECT_FALSE(table->usable());
}

TEST_F(VersionFileTest, TheWaitBeginsAgainIfTheCreatorDiedBeforeItBegan) {
  options_.fresh = false;
  const Table table = open();
  overwrite(offsetof(version_file::Header, usable_from), version_file::kNotStarted);
  open();
  sleep_ms(2100);
  EXPECT_TRUE(table->usable());
}

TEST_F(VersionFileTest, ProcessesThatOpenAtOnceMeetInOneFile) {
  std::vector<std::unique_ptr<Child>> children;
  for (int count = 0; count < 6; ++count) {
    children.push_back(std::make_unique<Child>([&](Child& self) {
      self.wait_for_word();
      Result<Table> table = try_open();
      if (!table) return false;
      const Dependency one[] = {1};
      return (*table)->bump(one);
    }));
  }
  for (const auto& child : children) child->go_on();
  for (const auto& child : children) EXPECT_TRUE(child->passed());
  const Table table = open();
  EXPECT_FALSE(table->created());
  EXPECT_EQ(table->clock(), 7u) << "it begins at 1, and six have bumped";
}

TEST_F(VersionFileTest, AnExistingFileKeepsItsGeometry) {
  open();
  options_.slots = 1024;
  options_.records = 16;
  const Table table = open();
  EXPECT_FALSE(table->created());
  EXPECT_EQ(table->slots(), 512u);
  EXPECT_EQ(table->records(), 8u);
}

TEST_F(VersionFileTest, RefusesSizesThatCannotBe) {
  for (const std::uint32_t slots : {0u, 256u, 1000u, 1u << 25}) {
    VersionOptions wrong = options_;
    wrong.slots = slots;
    EXPECT_EQ(VersionTable::open(path(), "x", wrong).status().code(), StatusCode::invalid_argument);
    EXPECT_EQ(VersionTable::private_table(wrong).status().code(), StatusCode::invalid_argument);
  }
  for (const std::uint32_t records : {0u, 1025u}) {
    VersionOptions wrong = options_;
    wrong.records = records;
    EXPECT_EQ(VersionTable::open(path(), "x", wrong).status().code(), StatusCode::invalid_argument);
  }
}

TEST_F(VersionFileTest, RefusesAnotherDatabasesFile) {
  open();
  Result<Table> table = VersionTable::open(path(), "sqlite:blog", options_);
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.status().code(), StatusCode::incompatible);
  EXPECT_NE(table.status().message().find("sqlite:shop"), std::string::npos) << table.status().message();
}

TEST_F(VersionFileTest, LongIdentitiesAreToldApartByTheirEnds) {
  const std::string start(2000, 'x');
  ASSERT_TRUE(VersionTable::open(path(), start + "1", options_).ok());
  EXPECT_TRUE(VersionTable::open(path(), start + "1", options_).ok());
  EXPECT_FALSE(VersionTable::open(path(), start + "2", options_).ok());
}

TEST_F(VersionFileTest, RefusesANewerLayoutAndLeavesItAlone) {
  const Table table = open();
  overwrite(offsetof(version_file::Header, layout), version_file::kLayout + 1);
  expect_refused("newer");
  EXPECT_TRUE(table->file().still_at_path());
}

TEST_F(VersionFileTest, ReplacesAnOlderLayout) {
  const Table table = open();
  overwrite(offsetof(version_file::Header, layout), version_file::kLayout - 1);
  expect_rebuilt(*table);
}

TEST_F(VersionFileTest, ReplacesAFileOfAnotherBoot) {
  const Table table = open();
  overwrite(offsetof(version_file::Header, boot_id), 'Z');
  expect_rebuilt(*table);
}

TEST_F(VersionFileTest, RefusesRatherThanReplacesWhenTheBootCannotBeRead) {
  const Table table = open();
  EXPECT_TRUE(run_in_child([&] {
    // Of the descriptors that are left, the directory and the file may take some; /proc finds none.
    struct rlimit few = {};
    ::getrlimit(RLIMIT_NOFILE, &few);
    const int next = ::dup(0);
    ::close(next);
    few.rlim_cur = static_cast<rlim_t>(next) + 1;
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return false;
    Result<Table> refused = try_open();
    return !refused.ok() && refused.status().code() == StatusCode::io_error;
  }));
  EXPECT_TRUE(table->still_ours());
  EXPECT_TRUE(table->file().still_at_path());
}

TEST_F(VersionFileTest, ReplacesDamagedHeaders) {
  using version_file::Header;
  for (const std::size_t offset :
       {offsetof(Header, magic), offsetof(Header, state), offsetof(Header, size), offsetof(Header, epoch),
        offsetof(Header, slots), offsetof(Header, records), offsetof(Header, checksum),
        offsetof(Header, identity_length)}) {
    const Table table = open();
    overwrite(offset, std::uint32_t{0xDADADADA});
    expect_rebuilt(*table);
  }
}

TEST_F(VersionFileTest, ReplacesATruncatedFile) {
  const Table table = open();
  ASSERT_EQ(::truncate(path().c_str(), 5000), 0);
  EXPECT_TRUE(open()->created());
}

TEST_F(VersionFileTest, NeverReplacesAFileThatIsSomethingElse) {
  const std::string letter = directory_ / "letter.txt";
  std::ofstream(letter) << std::string(10'000, 'x');
  Result<Table> table = VersionTable::open(letter, "x", options_);
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.status().code(), StatusCode::incompatible);
  EXPECT_EQ(std::filesystem::file_size(letter), 10'000u);
}

TEST_F(VersionFileTest, RefusesALink) {
  ASSERT_EQ(::symlink("/dev/null", path().c_str()), 0);
  EXPECT_EQ(try_open().status().code(), StatusCode::denied);
}

TEST_F(VersionFileTest, SaysThatTheDirectoryIsMissing) {
  EXPECT_EQ(VersionTable::open(directory_ / "no/file", "x", options_).status().code(), StatusCode::not_found);
}

TEST_F(VersionFileTest, ARetiredFileServesNobodyAndAReopenedOneDoes) {
  const Table table = open();
  const auto versions = fill(*table, {1});
  Intent intent = declare(*table, {1});
  overwrite(offsetof(version_file::Header, state), std::uint32_t{version_file::kRetired});
  EXPECT_FALSE(table->usable());
  EXPECT_FALSE(table->still_ours());
  EXPECT_FALSE(hits(*table, {1}, versions));
  EXPECT_TRUE(fill(*table, {1}).empty());
  EXPECT_FALSE(table->finish(std::move(intent))) << "the bump isn't seen where others look now";
  const Dependency one[] = {1};
  EXPECT_EQ(table->declare(one, "", false).status().code(), StatusCode::incompatible);
  Result<Table> next = table->reopen();
  ASSERT_TRUE(next.ok()) << next.status().message();
  EXPECT_NE((*next)->epoch(), table->epoch());
  EXPECT_TRUE((*next)->declare(one, "", false).ok());
  EXPECT_FALSE((*next)->usable()) << "the database is no longer new";
}

TEST_F(VersionFileTest, AFileRemovedByHandIsNoticedWithinALease) {
  const Table table = open();
  EXPECT_TRUE(table->still_ours());
  Intent intent = declare(*table, {1});
  std::filesystem::remove(path());
  sleep_ms(1050);
  EXPECT_FALSE(table->still_ours());
  EXPECT_FALSE(table->usable());
  EXPECT_FALSE(table->finish(std::move(intent)));
  EXPECT_TRUE(table->reopen().value()->created());
}

TEST_F(VersionFileTest, FilesThatNobodyHasUsedForADayAreRemoved) {
  const std::uint64_t long_ago = version_file::realtime_seconds() - 2 * version_file::kUnusedSeconds;
  const auto age = [&](const std::string& file) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::pwrite(descriptor, &long_ago, 8, offsetof(version_file::Header, last_used)), 8);
    ::close(descriptor);
  };
  for (const char* name : {"old", "used", "young"}) {
    ASSERT_TRUE(VersionTable::open(path(name), name, options_).ok());
  }
  const Table used = VersionTable::open(path("used"), "used", options_).value();
  std::ofstream(path("foreign")) << std::string(10'000, 'x');
  age(path("old"));
  age(path("used"));
  open();
  EXPECT_FALSE(std::filesystem::exists(path("old")));
  EXPECT_TRUE(std::filesystem::exists(path("used"))) << "a living process has it open";
  EXPECT_TRUE(std::filesystem::exists(path("young")));
  EXPECT_TRUE(std::filesystem::exists(path("foreign")));
  EXPECT_TRUE(used->still_ours());
}

TEST_F(VersionFileTest, UsersRefreshTheStamp) {
  const Table table = open();
  overwrite(offsetof(version_file::Header, last_used), std::uint64_t{1});
  EXPECT_TRUE(table->still_ours());
  std::uint64_t stamp = 0;
  std::memcpy(&stamp, table->file().data() + offsetof(version_file::Header, last_used), 8);
  EXPECT_NEAR(static_cast<double>(stamp), static_cast<double>(version_file::realtime_seconds()), 60);
}

}  // namespace
}  // namespace cache_me::testing
