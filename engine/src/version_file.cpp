#include "cache_me/version_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>

#include "cache_me/file_lock.hpp"
#include "cache_me/hash.hpp"

namespace cache_me::version_file {
namespace {

std::string_view bytes_of(const char* text, std::size_t length) {
  return {text, length};
}

std::uint64_t checksum_of(const Header& header) noexcept {
  const std::uint64_t numbers[] = {header.magic,         header.layout,         header.size,
                                   header.epoch,         header.slots,          header.records,
                                   header.identity_hash, header.identity_length};
  const std::uint64_t first =
      hash64({reinterpret_cast<const char*>(numbers), sizeof numbers}, hash64(bytes_of(header.boot_id, 64)));
  return hash64(bytes_of(header.identity, kIdentityBytes), first);
}

std::string_view boot_of(const Header& header) {
  return bytes_of(header.boot_id, ::strnlen(header.boot_id, sizeof header.boot_id));
}

std::string_view name_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string_view(path) : std::string_view(path).substr(slash + 1);
}

bool geometry_holds(const Header& header, std::size_t size) {
  return header.slots >= kMinSlots && header.slots <= kMaxSlots && std::has_single_bit(header.slots) &&
         header.records >= 1 && header.records <= kMaxRecords && header.size == size &&
         file_size(header.slots, header.records) == size;
}

Inspection inspect(std::span<std::byte> bytes, const std::string& path, const std::string& identity) {
  const Header& header = *reinterpret_cast<const Header*>(bytes.data());
  const std::string name = "'" + path + "'";
  if (header.magic != kMagic) {
    if (name_of(path).starts_with(kNamePrefix)) return Inspection::rebuild();
    return Inspection::refuse(Status(
        StatusCode::incompatible, name + " is not a version file, and is left alone; choose another place"));
  }
  if (header.layout > kLayout) {
    return Inspection::refuse(Status(StatusCode::incompatible,
                                     name + " has layout " + std::to_string(header.layout) +
                                         ", which is newer than this program's " + std::to_string(kLayout) +
                                         "; bring all projects on this host to the same release"));
  }
  if (header.layout < kLayout) return Inspection::rebuild();
  if (header.state.load(std::memory_order_acquire) != kReady) return Inspection::rebuild();
  if (!geometry_holds(header, bytes.size()) || header.epoch == 0) return Inspection::rebuild();
  if (header.identity_length > kIdentityBytes || header.checksum != checksum_of(header))
    return Inspection::rebuild();
  const std::string boot = boot_id();
  if (boot_of(header) != boot) {
    if (boot != kUnknownBoot) return Inspection::rebuild();
    // Only this process can't read it (no descriptor to be had, a bare container): others may be using the
    // file.
    return Inspection::refuse(
        Status(StatusCode::io_error, name + " can't be told from one of another boot: " +
                                         "/proc/sys/kernel/random/boot_id can't be read"));
  }
  const std::string_view kept = bytes_of(header.identity, header.identity_length);
  if (header.identity_hash != hash64(identity) ||
      kept != std::string_view(identity).substr(0, kIdentityBytes)) {
    return Inspection::refuse(
        Status(StatusCode::incompatible,
               name + " belongs to another database (" + std::string(kept) + ", not " + identity + ")"));
  }
  return Inspection::accept();
}

// Looks at one file beside ours through its descriptor alone; a mapping could raise SIGBUS if it were cut
// short.
bool remove_if_unused(int directory, const char* name) {
  const int file = ::openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return false;
  bool removed = false;
  struct stat about = {};
  struct stat now = {};
  const auto unused = [&] {
    std::uint64_t magic = 0, last_used = 0;
    std::uint32_t layout = 0;
    const std::uint64_t today = realtime_seconds();
    return ::pread(file, &magic, sizeof magic, offsetof(Header, magic)) == sizeof magic && magic == kMagic &&
           ::pread(file, &layout, sizeof layout, offsetof(Header, layout)) == sizeof layout &&
           layout == kLayout &&
           ::pread(file, &last_used, sizeof last_used, offsetof(Header, last_used)) == sizeof last_used &&
           last_used + kUnusedSeconds < today;
  };
  if (::fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == ::geteuid() && unused() &&
      // Every living user holds this byte shared, so from here to the close there is none, and whoever opens
      // the file just now finds it retired once it gets the lock. A forked child that hasn't looked at its
      // lease since the fork holds no lock: it has slept for a day, and looks at the header before it uses
      // anything.
      try_lock_byte(file, kUserLockByte, LockMode::exclusive) && unused() &&
      ::fstatat(directory, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == about.st_ino &&
      now.st_dev == about.st_dev) {
    const std::uint32_t retired = kRetired;
    removed = ::pwrite(file, &retired, sizeof retired, offsetof(Header, state)) == sizeof retired &&
              ::unlinkat(directory, name, 0) == 0;
  }
  ::close(file);
  return removed;
}

}  // namespace

void initialise(Header& header, std::string_view identity, std::uint32_t slots, std::uint32_t records,
                bool fresh) {
  header.magic = kMagic;
  header.layout = kLayout;
  header.size = file_size(slots, records);
  header.epoch = random_u64();
  header.slots = slots;
  header.records = records;
  // The wait begins when the file has got its name, not now: see VersionTable::start_clock().
  header.usable_from.store(fresh ? 0 : kNotStarted, std::memory_order_relaxed);
  header.sequence.store(1, std::memory_order_relaxed);
  header.last_used.store(realtime_seconds(), std::memory_order_relaxed);
  const std::string boot = boot_id();
  std::memcpy(header.boot_id, boot.data(), std::min(boot.size(), sizeof header.boot_id - 1));
  header.identity_hash = hash64(identity);
  header.identity_length = static_cast<std::uint32_t>(std::min(identity.size(), kIdentityBytes));
  std::memcpy(header.identity, identity.data(), header.identity_length);
  header.checksum = checksum_of(header);
  header.state.store(kReady, std::memory_order_release);
}

FileFormat format(const std::string& path, const std::string& identity, std::uint32_t slots,
                  std::uint32_t records, bool fresh) {
  // A file that takes the place of another one isn't of a new database, whatever the caller thinks.
  const auto replaces = std::make_shared<bool>(false);
  FileFormat format;
  format.size = file_size(slots, records);
  format.header_size = sizeof(Header);
  format.initialise = [=](std::span<std::byte> bytes) {
    initialise(*reinterpret_cast<Header*>(bytes.data()), identity, slots, records, fresh && !*replaces);
    return Status();
  };
  format.inspect = [=](std::span<std::byte> bytes) {
    *replaces = true;
    return inspect(bytes, path, identity);
  };
  format.retire = [](std::span<std::byte> bytes) {
    reinterpret_cast<Header*>(bytes.data())->state.store(kRetired, std::memory_order_seq_cst);
  };
  return format;
}

std::size_t remove_unused(const std::string& path) {
  const std::string_view own = name_of(path);
  if (!own.starts_with(kNamePrefix)) return 0;
  const std::string directory = own.size() == path.size() ? "." : path.substr(0, path.size() - own.size());
  DIR* const listing = ::opendir(directory.c_str());
  if (listing == nullptr) return 0;
  std::size_t removed = 0;
  while (const struct dirent* entry = ::readdir(listing)) {
    const std::string_view name(entry->d_name);
    if (name != own && name.starts_with(kNamePrefix) && remove_if_unused(::dirfd(listing), entry->d_name))
      ++removed;
  }
  ::closedir(listing);
  return removed;
}

std::uint64_t realtime_seconds() noexcept {
  struct timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec);
}

}  // namespace cache_me::version_file
