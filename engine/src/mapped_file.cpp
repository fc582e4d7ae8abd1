#include "cache_me/mapped_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "cache_me/file_lock.hpp"

namespace cache_me {
namespace {

// Far beyond the end of any file: the byte whose lock makes rebuilding one process's business.
constexpr std::uint64_t kRebuildLockByte = std::uint64_t{1} << 62;
constexpr int kAttempts = 1000;           // how often the path may change under us before we give up
constexpr int kRebuildWaitMs = 10'000;    // how long another process may take to rebuild
constexpr int kCreationWaitMs = 2'000;    // how long we let another process create, before we try as well
constexpr mode_t kGroupReadWrite = 0060;  // what a policy must grant for files of other users to be accepted

class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  int get() const noexcept { return value_; }
  bool valid() const noexcept { return value_ >= 0; }
  int release() noexcept { return std::exchange(value_, -1); }

 private:
  int value_;
};

std::string quoted(const std::string& path) {
  return "'" + path + "'";
}

std::string error_text(int error) {
  return std::string(std::strerror(error));
}

Status system_error(const std::string& what, int error) {
  return Status(StatusCode::io_error, what + ": " + error_text(error));
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string megabytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

void sleep_ms(long milliseconds) {
  const struct timespec pause = {milliseconds / 1000, (milliseconds % 1000) * 1'000'000};
  ::nanosleep(&pause, nullptr);
}

int open_retry(const char* path, int flags, mode_t mode = 0) {
  int descriptor;
  do {
    descriptor = ::open(path, flags, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

Status no_space(const std::string& path, std::size_t size, const std::string& cause) {
  struct statvfs room = {};
  const std::string directory = directory_of(path);
  std::string free_text = "an unknown amount is";
  if (::statvfs(directory.c_str(), &room) == 0) {
    free_text = megabytes(std::uint64_t{room.f_bavail} * room.f_frsize) + " are";
  }
  return Status(StatusCode::no_space,
                "cannot reserve " + megabytes(size) + " for " + quoted(path) + " (" + cause + "); " +
                    free_text + " free in " + quoted(directory) +
                    ". Make that file system larger (in containers: the size of /dev/shm, "
                    "--shm-size), or choose a smaller size or another place");
}

// The callers' lines on what to set when a file can't be opened or made.
Status denied(const std::string& path, const std::string& why) {
  return Status(StatusCode::denied,
                "cannot use " + quoted(path) + ": " + why +
                    ". Run as the same user, or give the file a group that all users share "
                    "with a mode that lets the group write, or choose another place");
}

// A mapping over a network isn't coherent between hosts: what one host writes, another may not see.
Status check_file_system(const std::string& path, int descriptor) {
  constexpr long kCifs = 0xFF534D42, kSmb2 = 0xFE534D42;  // linux/magic.h has them only since 6.x
  struct statfs about = {};
  if (::fstatfs(descriptor, &about) != 0) return Status();
  const long type = static_cast<long>(about.f_type);
  if (type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == kCifs || type == kSmb2) {
    return Status(StatusCode::denied,
                  quoted(path) +
                      " is on a network file system, where memory can't be shared between hosts; "
                      "choose a place on this host, such as /dev/shm");
  }
  return Status();
}

Status reserve(const std::string& path, int descriptor, std::size_t size) {
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size) {
    // Going on would kill the process by SIGXFSZ.
    return no_space(path, size, "the limit on the size of files, ulimit -f, is " + megabytes(limit.rlim_cur));
  }
  int error;
  do {
    error = ::posix_fallocate(descriptor, 0, static_cast<off_t>(size));
  } while (error == EINTR);
  if (error == 0) return Status();
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return no_space(path, size, error_text(error));
  return system_error("cannot reserve " + megabytes(size) + " for " + quoted(path), error);
}

Result<std::byte*> map(const std::string& path, int descriptor, std::size_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) return system_error("cannot map " + quoted(path), errno);
  return static_cast<std::byte*>(address);
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

// One call of MappedFile::open(). Each step returns a file, an error, or nothing: "the path has changed, look
// again".
class FileOpener {
 public:
  FileOpener(const std::string& path, const FilePolicy& policy, const FileFormat& format)
      : path_(path), directory_(directory_of(path)), policy_(policy), format_(format) {}

  Result<MappedFile> run() {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      Outcome outcome = open_existing();
      if (outcome) return std::move(*outcome);
      if (attempt > 10) sleep_ms(1);
    }
    return Status(StatusCode::io_error, quoted(path_) + " was replaced again and again while it was opened");
  }

 private:
  using Outcome = std::optional<Result<MappedFile>>;
  enum class Publish { if_absent, replace };

  Outcome open_existing() {
    // O_NONBLOCK: a FIFO or device in the file's place mustn't hold us up; regular files don't care.
    Descriptor file(open_retry(path_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file.valid()) return errno == ENOENT ? create() : Outcome(explain_open_error(errno));
    struct stat about = {};
    if (::fstat(file.get(), &about) != 0) return Outcome(system_error("cannot stat " + quoted(path_), errno));
    if (Status status = check_owner(about); !status.ok()) return Outcome(std::move(status));
    if (Status status = check_file_system(path_, file.get()); !status.ok()) return Outcome(std::move(status));

    const auto size = static_cast<std::size_t>(about.st_size);
    if (size == 0 || size < format_.header_size) return rebuild(std::move(file), about);
    // Holes would be filled at the first write, and raise SIGBUS if there were no space then.
    if (static_cast<std::uint64_t>(about.st_blocks) * 512 < size) {
      if (Status status = reserve(path_, file.get(), size); !status.ok()) return Outcome(std::move(status));
    }
    Result<std::byte*> data = map(path_, file.get(), size);
    if (!data) return Outcome(data.status());
    MappedFile mapped = adopt(std::move(file), about, *data, size);
    Inspection inspection = format_.inspect(mapped.bytes());
    switch (inspection.verdict) {
      case Inspection::Verdict::refuse:
        return Outcome(std::move(inspection.status));
      case Inspection::Verdict::accept:
        if (!mapped.still_at_path()) return std::nullopt;
        if (Status status = widen(mapped.descriptor_, about); !status.ok()) return Outcome(std::move(status));
        return Outcome(std::move(mapped));
      case Inspection::Verdict::rebuild:
        break;
    }
    Result<int> description = mapped.open_description();
    if (!description) return mapped.still_at_path() ? Outcome(description.status()) : std::nullopt;
    return rebuild(Descriptor(*description), about);
  }

  Result<MappedFile> explain_open_error(int error) {
    switch (error) {
      case ELOOP:
        return denied(path_, "it is a symbolic link, and links are not followed");
      case EISDIR:
      case ENXIO:
      case ENODEV:
        return denied(path_, "it is not a regular file");
      case ENOTDIR:
        return Status(StatusCode::not_found, "cannot open " + quoted(path_) + ": " + error_text(error));
      case EACCES:
      case EPERM: {
        struct stat about = {};
        std::string owner;
        if (::lstat(path_.c_str(), &about) == 0)
          owner = " (it belongs to user " + std::to_string(about.st_uid) + ")";
        return denied(path_, error_text(error) + owner);
      }
      case EROFS:
        return denied(path_, "the file system is read-only");
      default:
        return system_error("cannot open " + quoted(path_), error);
    }
  }

  Status check_owner(const struct stat& about) {
    if (!S_ISREG(about.st_mode)) return denied(path_, "it is not a regular file");
    const bool group_may = (policy_.mode & kGroupReadWrite) == kGroupReadWrite && policy_.group.has_value();
    if (about.st_uid == ::geteuid()) {
      return Status();
    }
    const std::string owner = "it belongs to user " + std::to_string(about.st_uid) +
                              ", this process is user " + std::to_string(::geteuid());
    if (!group_may) return denied(path_, owner + ", and the policy names no group that shares it");
    if (about.st_gid != *policy_.group) {
      return denied(path_, owner + ", and its group is " + std::to_string(about.st_gid) + ", not " +
                               std::to_string(*policy_.group));
    }
    if ((about.st_mode & 0002) != 0 && (policy_.mode & 0002) == 0) {
      return denied(path_, owner + ", and anybody may write to it");
    }
    return Status();
  }

  // An own file gets what the policy grants and an earlier policy didn't; nobody loses anything. Only once
  // the format has accepted it: what is something else isn't touched.
  Status widen(int descriptor, const struct stat& about) {
    if (about.st_uid != ::geteuid()) return Status();
    if (policy_.group && about.st_gid != *policy_.group &&
        ::fchown(descriptor, static_cast<uid_t>(-1), *policy_.group) != 0) {
      return denied(path_, "group " + std::to_string(*policy_.group) + " can't be set: " + error_text(errno));
    }
    const mode_t wanted = (about.st_mode & 0777) | policy_.mode;
    if (wanted != (about.st_mode & 0777) && ::fchmod(descriptor, wanted) != 0) {
      return denied(path_, "its mode can't be set: " + error_text(errno));
    }
    return Status();
  }

  Outcome create() {
    Descriptor directory(open_retry(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid() && errno != EACCES) {
      return Outcome(Status(StatusCode::not_found, "cannot create " + quoted(path_) + ": directory " +
                                                       quoted(directory_) + ": " + error_text(errno)));
    }
    // Only a courtesy, so that of two processes that start together one reserves the space and not both: the
    // other waits a while, then creates as well, and the loser throws its file away. Nothing rests on this
    // lock.
    bool alone = !directory.valid();
    for (int waited = 0; !alone && waited < kCreationWaitMs; waited += 2) {
      alone = ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
      if (!alone) sleep_ms(2);
      if (exists()) return std::nullopt;
    }
    if (exists()) return std::nullopt;
    return make(Publish::if_absent);
  }

  bool exists() const {
    struct stat about = {};
    return ::lstat(path_.c_str(), &about) == 0;
  }

  // Replaces the file that `old` is open on, unless somebody else does. The new file is complete before the
  // old header is retired, and the old header is retired before the path leads to the new file.
  Outcome rebuild(Descriptor old, const struct stat& about) {
    int waited = 0;
    while (!try_lock_byte(old.get(), kRebuildLockByte, LockMode::exclusive)) {
      if (waited >= kRebuildWaitMs) {
        return Outcome(Status(StatusCode::io_error, "another process has been rebuilding " + quoted(path_) +
                                                        " for too long; stop it or remove the file"));
      }
      sleep_ms(5);
      waited += 5;
    }
    struct stat now = {};
    if (::lstat(path_.c_str(), &now) != 0 || !same_file(now, about)) return std::nullopt;  // done by another
    return make(Publish::replace, &old, static_cast<std::size_t>(about.st_size));
  }

  void retire(int descriptor, std::size_t size) {
    if (size < format_.header_size || format_.header_size == 0) return;  // nobody can have accepted it
    Result<std::byte*> data = map(path_, descriptor, format_.header_size);
    if (!data) return;
    format_.retire({*data, format_.header_size});
    ::munmap(*data, format_.header_size);
  }

  // A new file, complete; with no name at all where the file system can do that (a killed process leaves
  // nothing behind), otherwise with a temporary one.
  Outcome make(Publish publish, const Descriptor* old = nullptr, std::size_t old_size = 0) {
    std::string temporary;
    Descriptor file(open_retry(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file.valid() && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
      temporary = temporary_path();
      file =
          Descriptor(open_retry(temporary.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600));
    }
    if (!file.valid()) return Outcome(explain_create_error(errno));
    Outcome outcome = fill_and_publish(std::move(file), temporary, publish, old, old_size);
    if (!temporary.empty()) ::unlink(temporary.c_str());
    return outcome;
  }

  Outcome fill_and_publish(Descriptor file, std::string& temporary, Publish publish, const Descriptor* old,
                           std::size_t old_size) {
    if (Status status = check_file_system(path_, file.get()); !status.ok()) return Outcome(std::move(status));
    if (policy_.group && ::fchown(file.get(), static_cast<uid_t>(-1), *policy_.group) != 0) {
      return Outcome(
          denied(path_, "group " + std::to_string(*policy_.group) + " can't be set: " + error_text(errno)));
    }
    if (::fchmod(file.get(), policy_.mode) != 0) return Outcome(system_error("cannot set the mode", errno));
    if (Status status = reserve(path_, file.get(), format_.size); !status.ok())
      return Outcome(std::move(status));
    struct stat about = {};
    if (::fstat(file.get(), &about) != 0) return Outcome(system_error("cannot stat " + quoted(path_), errno));
    Result<std::byte*> data = map(path_, file.get(), format_.size);
    if (!data) return Outcome(data.status());
    MappedFile mapped = adopt(std::move(file), about, *data, format_.size);
    mapped.created_ = true;
    if (Status status = format_.initialise(mapped.bytes()); !status.ok()) return Outcome(std::move(status));

    if (publish == Publish::if_absent) {
      const int error = give_name(mapped.descriptor_, temporary, path_);
      if (error == EEXIST) return std::nullopt;  // somebody else was first: theirs is the file
      if (error != 0) return Outcome(explain_create_error(error));
      return Outcome(std::move(mapped));
    }
    // rename() needs a name to start from.
    if (temporary.empty()) {
      temporary = temporary_path();
      if (const int error = give_name(mapped.descriptor_, "", temporary); error != 0) {
        return Outcome(explain_create_error(error));
      }
    }
    retire(old->get(), old_size);
    if (::rename(temporary.c_str(), path_.c_str()) != 0) return Outcome(explain_create_error(errno));
    temporary.clear();
    return Outcome(std::move(mapped));
  }

  // Links the file (open as `descriptor`, or named `from`) to `to`; never replaces. Returns an errno, or 0.
  static int give_name(int descriptor, const std::string& from, const std::string& to) {
    if (!from.empty()) return ::link(from.c_str(), to.c_str()) == 0 ? 0 : errno;
    const std::string magic_link = "/proc/self/fd/" + std::to_string(descriptor);
    if (::linkat(AT_FDCWD, magic_link.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0) return 0;
    if (errno != ENOENT) return errno;
    // No /proc here; this way is for processes with a capability, or newer kernels.
    return ::linkat(descriptor, "", AT_FDCWD, to.c_str(), AT_EMPTY_PATH) == 0 ? 0 : errno;
  }

  Result<MappedFile> explain_create_error(int error) {
    const std::string what = "cannot create a file in " + quoted(directory_);
    if (error == EACCES || error == EPERM || error == EROFS)
      return denied(path_, what + ": " + error_text(error));
    if (error == ENOSPC || error == EDQUOT) return no_space(path_, format_.size, error_text(error));
    if (error == ENOENT || error == ENOTDIR)
      return Status(StatusCode::not_found, what + ": " + error_text(error));
    return system_error(what, error);
  }

  std::string temporary_path() const {
    char suffix[32];
    std::snprintf(suffix, sizeof suffix, ".new.%016llx", static_cast<unsigned long long>(random_u64()));
    return path_ + suffix;
  }

  MappedFile adopt(Descriptor file, const struct stat& about, std::byte* data, std::size_t size) const {
    MappedFile mapped;
    mapped.data_ = data;
    mapped.size_ = size;
    mapped.descriptor_ = file.release();
    mapped.device_ = about.st_dev;
    mapped.inode_ = about.st_ino;
    mapped.path_ = path_;
    return mapped;
  }

  const std::string& path_;
  const std::string directory_;
  const FilePolicy& policy_;
  const FileFormat& format_;
};

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
  // Not a descriptor that somebody else has got since all of ours were closed over our head.
  if (is_descriptor_of(descriptor_)) ::close(descriptor_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  std::swap(created_, other.created_);
  std::swap(path_, other.path_);
  return *this;
}

Result<MappedFile> MappedFile::open(const std::string& path, const FilePolicy& policy,
                                    const FileFormat& format) {
  if (path.empty() || format.size == 0 || format.size < format.header_size) {
    return Status(StatusCode::invalid_argument, "a mapped file needs a path, and room for its header");
  }
  return FileOpener(path, policy, format).run();
}

Result<MappedFile> MappedFile::anonymous(
    std::size_t size, const std::function<Status(std::span<std::byte> bytes)>& initialise) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    return Status(StatusCode::no_space,
                  "cannot reserve " + megabytes(size) + " of memory: " + error_text(errno));
  }
  MappedFile mapped;
  mapped.data_ = static_cast<std::byte*>(address);
  mapped.size_ = size;
  mapped.created_ = true;
  if (Status status = initialise(mapped.bytes()); !status.ok()) return status;
  return mapped;
}

bool MappedFile::still_at_path() const noexcept {
  if (path_.empty()) return true;
  struct stat about = {};
  return ::lstat(path_.c_str(), &about) == 0 && about.st_dev == device_ && about.st_ino == inode_;
}

bool MappedFile::is_descriptor_of(int descriptor) const noexcept {
  struct stat about = {};
  return descriptor >= 0 && ::fstat(descriptor, &about) == 0 && about.st_dev == device_ &&
         about.st_ino == inode_;
}

Result<int> MappedFile::open_description() const {
  if (path_.empty()) return Status(StatusCode::invalid_argument, "memory without a file has no descriptor");
  int error = ENOENT;
  if (is_descriptor_of(descriptor_)) {
    const std::string magic_link = "/proc/self/fd/" + std::to_string(descriptor_);
    Descriptor file(open_retry(magic_link.c_str(), O_RDWR | O_CLOEXEC));
    if (is_descriptor_of(file.get())) return file.release();
    error = errno;
  }
  Descriptor file(open_retry(path_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (is_descriptor_of(file.get())) return file.release();
  if (!file.valid()) error = errno;
  if (error == EACCES || error == EPERM) {
    return denied(path_,
                  "it can't be opened again, perhaps since privileges were dropped: " + error_text(error));
  }
  return Status(StatusCode::not_found, quoted(path_) + " is no longer the file that was opened");
}

std::string boot_id() {
  Descriptor file(open_retry("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  char text[64];
  const ssize_t length = file.valid() ? ::read(file.get(), text, sizeof text) : 0;
  if (length < 36) return kUnknownBoot;
  return std::string(text, 36);
}

std::uint64_t boottime_ns() noexcept {
  struct timespec now = {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t coarse_ns() noexcept {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t random_u64() noexcept {
  std::uint64_t bits = 0;
  while (bits == 0) {
    if (::getrandom(&bits, sizeof bits, 0) != static_cast<ssize_t>(sizeof bits)) bits = 0;
  }
  return bits;
}

}  // namespace cache_me
