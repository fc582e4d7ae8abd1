#include "cache_me/owner_records.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "process_support.hpp"

namespace cache_me {
namespace {

using testing::Child;
using testing::run_in_child;
using testing::TemporaryDirectory;

class OwnerRecordsTest : public ::testing::Test {
 protected:
  OwnerRecordsTest() {
    FileFormat format;
    format.size = 64 + 64 * kCount;
    format.initialise = [](std::span<std::byte>) { return Status(); };
    format.inspect = [](std::span<std::byte>) { return Inspection::accept(); };
    format.retire = [](std::span<std::byte>) {};
    Result<MappedFile> file = MappedFile::open(directory_ / "records", {}, format);
    EXPECT_TRUE(file.ok());
    file_ = std::move(*file);
    ours_ = make();
    theirs_ = make();
  }

  std::unique_ptr<OwnerRecords> make() const {
    return std::make_unique<OwnerRecords>(file_, OwnerRecords::Layout{64, 64, kCount});
  }
  static OwnerId take(OwnerRecords& records) {
    Result<OwnerId> owner = records.acquire();
    EXPECT_TRUE(owner.ok()) << owner.status().message();
    return owner.ok() ? *owner : OwnerId();
  }

  static constexpr std::uint32_t kCount = 8;
  TemporaryDirectory directory_;
  MappedFile file_;
  std::unique_ptr<OwnerRecords> ours_;
  std::unique_ptr<OwnerRecords> theirs_;
};

TEST_F(OwnerRecordsTest, AnOwnerIsAliveForAllWhileItOwns) {
  const OwnerId owner = take(*ours_);
  EXPECT_NE(owner.packed(), 0u);
  EXPECT_EQ(OwnerId::unpack(owner.packed()), owner);
  EXPECT_TRUE(ours_->is_alive(owner));
  EXPECT_TRUE(theirs_->is_alive(owner));
  EXPECT_TRUE(ours_->owns(owner));
  EXPECT_FALSE(theirs_->owns(owner));
  ours_->release(owner);
  EXPECT_FALSE(ours_->is_alive(owner));
  EXPECT_FALSE(theirs_->is_alive(owner));
}

TEST_F(OwnerRecordsTest, ALaterOwnerIsNotMistakenForAnEarlierOne) {
  const std::optional<OwnerId> first = ours_->try_acquire(3);
  ASSERT_TRUE(first);
  ours_->release(*first);
  const std::optional<OwnerId> second = theirs_->try_acquire(3);
  ASSERT_TRUE(second);
  EXPECT_FALSE(ours_->is_alive(*first));
  EXPECT_FALSE(theirs_->is_alive(*first));
  EXPECT_TRUE(ours_->is_alive(*second));
  ours_->release(*first);  // of no effect
  ours_->release(*second);
  EXPECT_TRUE(ours_->is_alive(*second));
}

TEST_F(OwnerRecordsTest, EachRecordHasOneOwnerAndThenTheyAreExhausted) {
  std::set<std::uint32_t> seen;
  for (std::uint32_t count = 0; count < kCount; ++count) {
    seen.insert(take(count % 2 == 0 ? *ours_ : *theirs_).index);
  }
  EXPECT_EQ(seen.size(), kCount);
  Result<OwnerId> more = ours_->acquire();
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.status().code(), StatusCode::exhausted);
  EXPECT_FALSE(ours_->try_acquire(0));
}

TEST_F(OwnerRecordsTest, TakesOnlyWhatTheCallerAgreesTo) {
  Result<OwnerId> owner = ours_->acquire([](std::uint32_t index) { return index == 5; });
  ASSERT_TRUE(owner.ok());
  EXPECT_EQ(owner->index, 5u);
  EXPECT_FALSE(ours_->acquire([](std::uint32_t) { return false; }).ok());
  EXPECT_TRUE(theirs_->try_acquire(4)) << "what was refused is free";
}

TEST_F(OwnerRecordsTest, GenerationsWrapRoundPastZero) {
  *reinterpret_cast<std::uint32_t*>(file_.data() + 64 + 2 * 64) = OwnerId::kMaxGeneration;
  const std::optional<OwnerId> owner = ours_->try_acquire(2);
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->generation, 1u);
  EXPECT_FALSE(ours_->is_alive(OwnerId{2, 0}));
}

TEST_F(OwnerRecordsTest, AKilledOwnerIsDead) {
  Child child([&](Child& self) {
    const std::optional<OwnerId> held = theirs_->try_acquire(6);
    self.report(held ? 'y' : 'n');
    self.wait_for_word();
    return true;
  });
  ASSERT_EQ(child.wait_for_report(), 'y');
  const OwnerId owner{6, *reinterpret_cast<std::uint32_t*>(file_.data() + 64 + 6 * 64)};
  EXPECT_TRUE(ours_->is_alive(owner));
  child.kill();
  EXPECT_FALSE(ours_->is_alive(owner));
  EXPECT_TRUE(ours_->try_acquire(6));
}

TEST_F(OwnerRecordsTest, AForkedChildOwnsNothingAndTakesRecordsOfItsOwn) {
  const OwnerId owner = take(*ours_);
  EXPECT_TRUE(run_in_child([&] {
    if (ours_->owns(owner) || !ours_->is_alive(owner)) return false;
    ours_->release(owner);  // of no effect on the parent's
    const OwnerId own = take(*ours_);
    return own.index != owner.index && theirs_->is_alive(own) && theirs_->is_alive(owner);
  }));
  EXPECT_TRUE(theirs_->is_alive(owner));
}

TEST_F(OwnerRecordsTest, AChildDoesNotKeepItsDeadParentAlive) {
  std::atomic<std::uint32_t>& note = *reinterpret_cast<std::atomic<std::uint32_t>*>(file_.data());
  Child parent([&](Child& self) {
    note = take(*ours_).packed();
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      self.report();
      self.wait_for_word();  // lives until the test ends
      ::_exit(0);
    }
    self.wait_for_word();
    return true;
  });
  parent.wait_for_report();
  EXPECT_TRUE(theirs_->is_alive(OwnerId::unpack(note)));
  parent.kill();
  EXPECT_FALSE(theirs_->is_alive(OwnerId::unpack(note)));
}

TEST_F(OwnerRecordsTest, ForkingWhileThreadsTakeRecordsLeavesAChildThatWorks) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int count = 0; count < 2; ++count) {
    threads.emplace_back([&] {
      while (!stop) {
        Result<OwnerId> owner = ours_->acquire();
        if (owner) ours_->release(*owner);
      }
    });
  }
  for (int count = 0; count < 20; ++count) {
    EXPECT_TRUE(run_in_child([&] {
      ::alarm(20);  // a mutex that nobody will ever unlock would hang
      Result<OwnerId> owner = ours_->acquire();
      return owner.ok() && theirs_->is_alive(*owner);
    }));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_F(OwnerRecordsTest, NoticesThatItsDescriptorWasClosed) {
  EXPECT_TRUE(run_in_child([&] {
    const OwnerId owner = take(*ours_);
    if (!ours_->check_ownership()) return false;
    for (int descriptor = 3; descriptor < 256; ++descriptor) ::close(descriptor);
    const int other = ::open("/dev/null", O_RDONLY);  // takes the number
    const bool noticed = !ours_->check_ownership() && !ours_->owns(owner);
    const OwnerId again = take(*ours_);
    return noticed && again.packed() != owner.packed() && ::fcntl(other, F_GETFD) != -1;
  }));
}

TEST_F(OwnerRecordsTest, WorksOnWhenTheFileWasRemoved) {
  const OwnerId owner = take(*ours_);
  std::filesystem::remove(file_.path());
  EXPECT_TRUE(theirs_->is_alive(owner));
  EXPECT_TRUE(run_in_child([&] { return ours_->acquire().ok(); }));
}

TEST_F(OwnerRecordsTest, CallersHaveLocksOfTheirOwn) {
  constexpr std::uint64_t kByte = std::uint64_t{1} << 40;
  EXPECT_TRUE(ours_->try_lock(kByte, LockMode::shared));
  EXPECT_TRUE(theirs_->try_lock(kByte, LockMode::shared));
  EXPECT_FALSE(theirs_->try_lock(kByte, LockMode::exclusive));
  ours_->unlock(kByte);
  EXPECT_TRUE(theirs_->try_lock(kByte, LockMode::exclusive));
}

TEST_F(OwnerRecordsTest, InMemoryWithoutAFileAChildFindsAllOwnersDead) {
  Result<MappedFile> memory =
      MappedFile::anonymous(64 * kCount, [](std::span<std::byte>) { return Status(); });
  ASSERT_TRUE(memory.ok());
  OwnerRecords records(*memory, {0, 64, kCount});
  const OwnerId owner = take(records);
  EXPECT_TRUE(records.is_alive(owner));
  EXPECT_TRUE(run_in_child([&] {
    const std::optional<OwnerId> again = records.try_acquire(owner.index);
    return again && !records.is_alive(owner) && records.is_alive(*again);
  }));
  EXPECT_TRUE(records.is_alive(owner));
}

}  // namespace
}  // namespace cache_me
