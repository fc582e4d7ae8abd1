// A file that several processes map and share, opened or created safely.
//
// The contract: whoever gets a MappedFile sees a file that is complete (it was filled in before it had a
// name), that belongs to this user or to a group the policy names, that is no link, whose space is reserved
// (writing to the mapping never raises SIGBUS for want of space), and whose header the caller's format has
// accepted. Processes that open at the same time end up with the same file.
//
// The invariant: the size of a published file never changes. Whoever needs another size or layout publishes a
// new file over the old one, and retires the old header first, so that those who have it mapped stop trusting
// it. A file that was cut short by a stranger *before* it is opened is noticed; one that is cut short while
// it is mapped raises SIGBUS in whoever touches it, like any mapping: only its owner (or group) can do that.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "cache_me/status.hpp"

namespace cache_me {

// Who may use the file. The umask plays no part: mode and group are set explicitly.
struct FilePolicy {
  mode_t mode = 0600;          // of a new file; an own file that lacks some of these bits is given them
  std::optional<gid_t> group;  // of a new file; files of other users are accepted only with this group, and
                               // only if `mode` lets the group read and write
};

// What a format says of an existing file.
struct Inspection {
  enum class Verdict {
    accept,   // use it
    rebuild,  // corrupt, an older layout, another boot, a wrong size: replace it
    refuse,   // a newer layout, somebody else's: leave it alone, and fail with `status`
  };
  Verdict verdict = Verdict::accept;
  Status status;

  static Inspection accept() { return {Verdict::accept, Status()}; }
  static Inspection rebuild() { return {Verdict::rebuild, Status()}; }
  static Inspection refuse(Status status) { return {Verdict::refuse, std::move(status)}; }
};

// How the bytes are made and judged. The callbacks run in the thread that calls open().
struct FileFormat {
  std::size_t size = 0;         // bytes of a new file, more than zero
  std::size_t header_size = 0;  // an existing file that is shorter is rebuilt without being looked at

  // Fills a new file completely; the bytes are zero before. Nobody else sees the file yet.
  std::function<Status(std::span<std::byte> bytes)> initialise;

  // Judges an existing file: all of it, `bytes.size()` is the file's size. Other processes may be writing to
  // it.
  std::function<Inspection(std::span<std::byte> bytes)> inspect;

  // Marks the header of a file that is about to be replaced (the first `header_size` bytes are given), so
  // that whoever has it mapped stops trusting it. Called also for headers that `inspect` couldn't read.
  std::function<void(std::span<std::byte> header)> retire;
};

class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Opens the file at `path`, or creates it. Errors: `not_found` (no such directory), `denied` (permissions,
  // a foreign owner, a link or another kind of file), `no_space` (with the size needed), `incompatible` or
  // what the format refuses with, `io_error`. Messages say what to set. Any thread, any number of processes
  // at once.
  static Result<MappedFile> open(const std::string& path, const FilePolicy& policy, const FileFormat& format);

  // Memory without a file, for what belongs to one process. It is private: after a fork the child has a copy
  // of its own, as it has of an in-memory database. descriptor() is -1, path() empty, still_at_path() always
  // true.
  static Result<MappedFile> anonymous(std::size_t size,
                                      const std::function<Status(std::span<std::byte> bytes)>& initialise);

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  const std::string& path() const noexcept { return path_; }

  // True if this call of open() made the file (also in place of an old one).
  bool created() const noexcept { return created_; }

  bool is_anonymous() const noexcept { return data_ != nullptr && path_.empty(); }

  // Does the path still lead to this very file? One stat(2). False also if it can't be told. Any thread.
  bool still_at_path() const noexcept;

  // Is `descriptor` open, and on this very file? One fstat(2): whoever closes all descriptors of a process
  // closes ours too. Any thread.
  bool is_descriptor_of(int descriptor) const noexcept;

  // A new open file description of this very file, for kernel locks, read-write and close-on-exec; the caller
  // closes it. It is found also when the path leads elsewhere by now. Errors: `denied` (for instance,
  // privileges were dropped since), `not_found`, `invalid_argument` (anonymous). Any thread.
  Result<int> open_description() const;

 private:
  friend class FileOpener;

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int descriptor_ = -1;  // never holds a lock, so a forked child may keep it
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool created_ = false;
  std::string path_;
};

// The kernel's identity of this boot (the same in every container of the host). Where /proc can't be read it
// is kUnknownBoot: files in memory (/dev/shm) don't outlive a boot, others then can't be told from those
// before it.
inline constexpr const char* kUnknownBoot = "unknown";
std::string boot_id();

// Nanoseconds since the boot, time asleep included (CLOCK_BOOTTIME): the same clock in every process of the
// host.
std::uint64_t boottime_ns() noexcept;

// A cheap clock for leases: CLOCK_MONOTONIC_COARSE in nanoseconds, with a resolution of a few milliseconds.
std::uint64_t coarse_ns() noexcept;

// Unpredictable bits from the kernel (getrandom(2)); never zero.
std::uint64_t random_u64() noexcept;

}  // namespace cache_me
