// What the tests of the version table and of its file share: verbs for a small table in a directory of its
// own.
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cache_me/version_table.hpp"
#include "process_support.hpp"

namespace cache_me::testing {

using Table = std::shared_ptr<VersionTable>;

inline void sleep_ms(long milliseconds) {
  const struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  ::nanosleep(&pause, nullptr);
}

class VersionTableTest : public ::testing::Test {
 protected:
  VersionTableTest() {
    options_.slots = 512;
    options_.records = 8;
    options_.fresh = true;
  }

  std::string path(const std::string& name = "shop") const {
    return directory_ / (std::string(version_file::kNamePrefix) + name);
  }
  Result<Table> try_open() const { return VersionTable::open(path(), "sqlite:shop", options_); }
  Table open() const {
    Result<Table> table = try_open();
    EXPECT_TRUE(table.ok()) << table.status().message();
    return table.ok() ? *table : nullptr;
  }
  static Intent declare(VersionTable& table, std::vector<Dependency> dependencies, bool settles = false,
                        const std::string& session = "session") {
    Result<Intent> intent = table.declare(dependencies, session, settles);
    EXPECT_TRUE(intent.ok()) << intent.status().message();
    return std::move(*intent);
  }
  static bool carries(const VersionTable& table, std::vector<Dependency> dependencies) {
    return table.carries_intent(dependencies);
  }
  // What an entry that is filled now would record; nothing if it mustn't be.
  static std::vector<std::uint64_t> fill(const VersionTable& table, std::vector<Dependency> dependencies) {
    std::vector<std::uint64_t> versions(dependencies.size());
    if (!table.read(dependencies, versions)) return {};
    return versions;
  }
  static bool hits(const VersionTable& table, std::vector<Dependency> dependencies,
                   const std::vector<std::uint64_t>& versions, std::uint64_t limit = ~std::uint64_t{0}) {
    return table.unchanged(table.epoch(), dependencies, versions, limit);
  }
  // A process that declares, and is killed before it can finish.
  void die_declared(std::vector<Dependency> dependencies, bool settles) const {
    Child child([&](Child&) -> bool {
      Result<Table> table = try_open();
      if (!table || !(*table)->declare(dependencies, "the dead one's session", settles)) return false;
      Child::die();
    });
    ASSERT_TRUE(child.was_killed());
  }
  template <typename Number>
  void overwrite(std::size_t offset, Number value) const {
    const int file = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::pwrite(file, &value, sizeof value, static_cast<off_t>(offset)),
              static_cast<ssize_t>(sizeof value));
    ::close(file);
  }
  void expect_rebuilt(const VersionTable& old) const {
    const Table table = open();
    EXPECT_TRUE(table->created());
    EXPECT_NE(table->epoch(), old.epoch());
    EXPECT_FALSE(old.usable());
    EXPECT_FALSE(old.still_ours());
    EXPECT_TRUE(table->still_ours());
  }
  void expect_refused(const std::string& word) const {
    Result<Table> table = try_open();
    ASSERT_FALSE(table.ok());
    EXPECT_EQ(table.status().code(), StatusCode::incompatible);
    EXPECT_NE(table.status().message().find(word), std::string::npos) << table.status().message();
  }

  TemporaryDirectory directory_;
  VersionOptions options_;
};

}  // namespace cache_me::testing
