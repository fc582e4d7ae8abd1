#include "cache_me/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <vector>

#include "process_support.hpp"

namespace cache_me {
namespace {

using testing::Child;
using testing::run_in_child;
using testing::TemporaryDirectory;

constexpr std::uint64_t kGood = 0x600D, kNewer = 0x4E57, kRetired = 0xDEAD;
constexpr std::size_t kSize = 1 << 16, kHeader = 4096;

std::atomic<std::uint64_t>& mark_of(std::span<std::byte> bytes) {
  return *reinterpret_cast<std::atomic<std::uint64_t>*>(bytes.data());
}

class MappedFileTest : public ::testing::Test {
 protected:
  MappedFileTest() {
    format_.size = kSize;
    format_.header_size = kHeader;
    format_.initialise = [](std::span<std::byte> bytes) {
      bytes.back() = std::byte{7};  // the header comes last, as a slow creator's would
      mark_of(bytes) = kGood;
      return Status();
    };
    format_.inspect = [](std::span<std::byte> bytes) {
      if (mark_of(bytes) == kNewer) {
        return Inspection::refuse(Status(StatusCode::incompatible, "a newer layout"));
      }
      const bool whole = bytes.size() == kSize && mark_of(bytes) == kGood && bytes.back() == std::byte{7};
      return whole ? Inspection::accept() : Inspection::rebuild();
    };
    format_.retire = [](std::span<std::byte> bytes) { mark_of(bytes) = kRetired; };
  }

  Result<MappedFile> open(const FilePolicy& policy = {}) { return MappedFile::open(path(), policy, format_); }
  MappedFile open_well() {
    Result<MappedFile> file = open();
    EXPECT_TRUE(file.ok()) << file.status().message();
    return std::move(*file);
  }
  void expect_failure(StatusCode code, const std::string& word) {
    Result<MappedFile> file = open();
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.status().code(), code) << file.status().message();
    EXPECT_NE(file.status().message().find(word), std::string::npos) << file.status().message();
  }
  std::string path() const { return directory_ / "shared"; }
  std::size_t files() const {
    const auto entries = std::filesystem::directory_iterator(directory_.path());
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  }
  struct stat about() const {
    struct stat result = {};
    EXPECT_EQ(::lstat(path().c_str(), &result), 0);
    return result;
  }

  TemporaryDirectory directory_;
  FileFormat format_;
};

TEST_F(MappedFileTest, CreatesAFileThatIsCompleteAndReserved) {
  const MappedFile file = open_well();
  EXPECT_TRUE(file.created());
  EXPECT_EQ(file.size(), kSize);
  EXPECT_EQ(mark_of(file.bytes()), kGood);
  EXPECT_GE(about().st_blocks * 512, static_cast<blkcnt_t>(kSize));
  EXPECT_EQ(files(), 1u);
}

TEST_F(MappedFileTest, ASecondOpenSeesTheSameBytes) {
  const MappedFile first = open_well();
  const MappedFile second = open_well();
  EXPECT_FALSE(second.created());
  first.data()[100] = std::byte{42};
  EXPECT_EQ(second.data()[100], std::byte{42});
}

TEST_F(MappedFileTest, IsForTheOwnerAloneWhateverTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0777}}) {
    const mode_t before = ::umask(mask);
    open_well();
    ::umask(before);
    EXPECT_EQ(about().st_mode & 07777, 0600u);
    std::filesystem::remove(path());
  }
}

TEST_F(MappedFileTest, GivesAnOwnFileWhatThePolicyGrants) {
  open_well();
  FilePolicy shared;
  shared.mode = 0660;
  shared.group = ::getegid();
  ASSERT_TRUE(open(shared).ok());
  EXPECT_EQ(about().st_mode & 07777, 0660u);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(about().st_mode & 07777, 0660u) << "a narrower policy takes nothing from others";
}

TEST_F(MappedFileTest, TouchesNeitherModeNorGroupOfWhatTheFormatRefuses) {
  mark_of(open_well().bytes()) = kNewer;
  FilePolicy shared;
  shared.mode = 0660;
  EXPECT_FALSE(open(shared).ok());
  EXPECT_EQ(about().st_mode & 07777, 0600u);
}

TEST_F(MappedFileTest, ManyProcessesThatOpenAtOnceShareOneCompleteFile) {
  std::vector<std::unique_ptr<Child>> children;
  for (int count = 0; count < 8; ++count) {
    children.push_back(std::make_unique<Child>([&](Child& self) {
      self.wait_for_word();
      Result<MappedFile> file = open();
      if (!file || file->bytes().back() != std::byte{7}) return false;
      auto& counter = *reinterpret_cast<std::atomic<std::uint64_t>*>(file->data() + 64);
      counter.fetch_add(file->created() ? 1001 : 1);
      return true;
    }));
  }
  for (const auto& child : children) child->go_on();
  for (const auto& child : children) EXPECT_TRUE(child->passed());
  const MappedFile file = open_well();
  EXPECT_EQ(*reinterpret_cast<std::atomic<std::uint64_t>*>(file.data() + 64), 1008u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(MappedFileTest, ACreatorThatIsKilledLeavesNothing) {
  FileFormat killed = format_;
  killed.initialise = [](std::span<std::byte>) -> Status { Child::die(); };
  Child child([&](Child&) { return MappedFile::open(path(), {}, killed).ok(); });
  ASSERT_TRUE(child.was_killed());
  EXPECT_EQ(files(), 0u);
  EXPECT_TRUE(open_well().created());
}

TEST_F(MappedFileTest, AFailedInitialisationLeavesNothing) {
  format_.initialise = [](std::span<std::byte>) { return Status(StatusCode::corrupt, "no"); };
  expect_failure(StatusCode::corrupt, "no");
  EXPECT_EQ(files(), 0u);
}

TEST_F(MappedFileTest, RefusesASymbolicLink) {
  ASSERT_EQ(::symlink("/dev/null", path().c_str()), 0);
  expect_failure(StatusCode::denied, "link");
}

TEST_F(MappedFileTest, RefusesADanglingSymbolicLink) {
  ASSERT_EQ(::symlink((directory_ / "elsewhere").c_str(), path().c_str()), 0);
  expect_failure(StatusCode::denied, "link");
  EXPECT_EQ(files(), 1u);
}

TEST_F(MappedFileTest, RefusesADirectory) {
  ASSERT_EQ(::mkdir(path().c_str(), 0700), 0);
  expect_failure(StatusCode::denied, "regular");
}

TEST_F(MappedFileTest, RefusesAFifoWithoutWaitingForIt) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  expect_failure(StatusCode::denied, "regular");
}

TEST_F(MappedFileTest, RefusesAForeignOwnerUnlessTheGroupShares) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  open_well();
  ASSERT_EQ(::chown(path().c_str(), 12345, 54321), 0);
  expect_failure(StatusCode::denied, "user 12345");
  FilePolicy shared;
  shared.group = 54321;
  EXPECT_FALSE(open(shared).ok()) << "a group without a mode that lets it write";
  shared.mode = 0660;
  EXPECT_TRUE(open(shared).ok());
  ASSERT_EQ(::chmod(path().c_str(), 0666), 0);
  EXPECT_FALSE(open(shared).ok()) << "a foreign file that anybody may write to";
  shared.group = 11111;
  EXPECT_FALSE(open(shared).ok());
}

TEST_F(MappedFileTest, SaysThatTheDirectoryIsMissing) {
  Result<MappedFile> file = MappedFile::open(directory_ / "no/such/file", {}, format_);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), StatusCode::not_found);
  EXPECT_NE(file.status().message().find("no/such"), std::string::npos) << file.status().message();
}

TEST_F(MappedFileTest, SaysThatTheDirectoryCannotBeWritten) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0555), 0);
  EXPECT_TRUE(run_in_child([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return false;
    Result<MappedFile> file = open();
    return !file.ok() && file.status().code() == StatusCode::denied;
  }));
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0700), 0);
}

TEST_F(MappedFileTest, SaysThatTheFileBelongsToSomebodyElseWhenItCannotBeOpened) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  open_well();
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  EXPECT_TRUE(run_in_child([&] {
    if (::seteuid(65534) != 0) return false;
    Result<MappedFile> file = open();
    return !file.ok() && file.status().code() == StatusCode::denied &&
           file.status().message().find("user 0") != std::string::npos;
  }));
}

TEST_F(MappedFileTest, SaysHowMuchSpaceIsMissing) {
  if (::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=32k") != 0) {
    GTEST_SKIP() << "only root can mount a small file system";
  }
  expect_failure(StatusCode::no_space, "0.07 MB");
  EXPECT_EQ(files(), 0u);
  ASSERT_EQ(::umount2(directory_.path().c_str(), MNT_DETACH), 0);
}

TEST_F(MappedFileTest, SaysThatTheFileSystemIsReadOnly) {
  if (::mount("tmpfs", directory_.path().c_str(), "tmpfs", MS_RDONLY, "size=1m") != 0) {
    GTEST_SKIP() << "only root can mount a file system";
  }
  expect_failure(StatusCode::denied, "Read-only");
  ASSERT_EQ(::umount2(directory_.path().c_str(), MNT_DETACH), 0);
}

TEST_F(MappedFileTest, ALimitOnTheSizeOfFilesIsNoSpaceAndNoSignal) {
  EXPECT_TRUE(run_in_child([&] {
    const struct rlimit small = {kSize / 2, kSize / 2};
    if (::setrlimit(RLIMIT_FSIZE, &small) != 0) return false;
    Result<MappedFile> file = open();
    return !file.ok() && file.status().code() == StatusCode::no_space &&
           file.status().message().find("ulimit") != std::string::npos;
  }));
}

TEST_F(MappedFileTest, RebuildsADamagedFileAndRetiresTheOldHeader) {
  const MappedFile old = open_well();
  old.bytes().back() = std::byte{0};
  const MappedFile rebuilt = open_well();
  EXPECT_TRUE(rebuilt.created());
  EXPECT_EQ(mark_of(rebuilt.bytes()), kGood);
  EXPECT_EQ(mark_of(old.bytes()), kRetired);
  EXPECT_FALSE(old.still_at_path());
  EXPECT_TRUE(rebuilt.still_at_path());
  EXPECT_EQ(files(), 1u);
}

TEST_F(MappedFileTest, TheOldHeaderIsRetiredOnlyWhenTheNewFileIsComplete) {
  const MappedFile old = open_well();
  old.bytes().back() = std::byte{0};
  format_.initialise = [&](std::span<std::byte>) {
    EXPECT_EQ(mark_of(old.bytes()), kGood);
    return Status(StatusCode::no_space, "full");
  };
  expect_failure(StatusCode::no_space, "full");
  EXPECT_EQ(mark_of(old.bytes()), kGood);
  EXPECT_TRUE(old.still_at_path());
}

TEST_F(MappedFileTest, RebuildsTruncatedAndEmptyFiles) {
  for (const off_t size : {off_t{0}, off_t{10}, off_t{kHeader}, off_t{kSize - 1}}) {
    open_well();
    ASSERT_EQ(::truncate(path().c_str(), size), 0);
    const MappedFile file = open_well();
    EXPECT_TRUE(file.created());
    EXPECT_EQ(file.size(), kSize);
  }
}

TEST_F(MappedFileTest, FillsTheHolesOfAnExistingFile) {
  open_well();
  const int file = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kHeader, kSize - 2 * kHeader), 0);
  ::close(file);
  ASSERT_LT(about().st_blocks * 512, static_cast<blkcnt_t>(kSize));
  EXPECT_FALSE(open_well().created());
  EXPECT_GE(about().st_blocks * 512, static_cast<blkcnt_t>(kSize));
}

TEST_F(MappedFileTest, LeavesAloneWhatTheFormatRefuses) {
  const MappedFile file = open_well();
  mark_of(file.bytes()) = kNewer;
  expect_failure(StatusCode::incompatible, "newer");
  EXPECT_TRUE(file.still_at_path());
  EXPECT_EQ(mark_of(file.bytes()), kNewer);
}

TEST_F(MappedFileTest, OfManyProcessesOneRebuilds) {
  const MappedFile old = open_well();
  old.bytes().back() = std::byte{0};
  const auto initialise = format_.initialise;
  format_.initialise = [&](std::span<std::byte> bytes) {
    ::usleep(20'000);  // all of them get here while the first is at it, if they may
    return initialise(bytes);
  };
  std::vector<std::unique_ptr<Child>> children;
  for (int count = 0; count < 8; ++count) {
    children.push_back(std::make_unique<Child>([&](Child& self) {
      self.wait_for_word();
      Result<MappedFile> file = open();
      if (!file) return false;
      self.report(file->created() ? 'c' : 'o');
      return file->still_at_path();
    }));
  }
  for (const auto& child : children) child->go_on();
  int created = 0;
  for (const auto& child : children) created += child->wait_for_report() == 'c' ? 1 : 0;
  for (const auto& child : children) EXPECT_TRUE(child->passed());
  EXPECT_EQ(created, 1);
  EXPECT_EQ(files(), 1u);
}

TEST_F(MappedFileTest, OpensTheSameFileAgainWhenThePathLeadsElsewhere) {
  const MappedFile file = open_well();
  std::filesystem::remove(path());
  EXPECT_FALSE(file.still_at_path());
  open_well();
  Result<int> description = file.open_description();
  ASSERT_TRUE(description.ok()) << description.status().message();
  EXPECT_TRUE(file.is_descriptor_of(*description));
  ::close(*description);
}

TEST_F(MappedFileTest, MemoryWithoutAFileIsPrivateToAForkedChild) {
  Result<MappedFile> memory = MappedFile::anonymous(4096, [](std::span<std::byte>) { return Status(); });
  ASSERT_TRUE(memory.ok());
  EXPECT_TRUE(memory->is_anonymous());
  EXPECT_TRUE(memory->still_at_path());
  EXPECT_FALSE(memory->open_description().ok());
  EXPECT_TRUE(run_in_child([&] {
    memory->data()[0] = std::byte{1};
    return true;
  }));
  EXPECT_EQ(memory->data()[0], std::byte{0});
}

TEST(Clocks, BootIdIsTheSameTwice) {
  EXPECT_EQ(boot_id(), boot_id());
  EXPECT_FALSE(boot_id().empty());
}

TEST(Clocks, GoForward) {
  const std::uint64_t boot = boottime_ns(), coarse = coarse_ns();
  EXPECT_GE(boottime_ns(), boot);
  EXPECT_GE(coarse_ns(), coarse);
}

}  // namespace
}  // namespace cache_me
