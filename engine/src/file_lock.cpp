#include "cache_me/file_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#ifndef F_OFD_SETLK
#error "open file description locks are needed; another platform provides its own file_lock.cpp"
#endif

namespace cache_me {
namespace {

struct flock byte_range(std::uint64_t offset, short type) noexcept {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = 1;
  range.l_pid = 0;  // must be zero for these commands
  return range;
}

bool set_lock(int descriptor, struct flock range) noexcept {
  for (;;) {
    if (::fcntl(descriptor, F_OFD_SETLK, &range) == 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace

bool try_lock_byte(int descriptor, std::uint64_t offset, LockMode mode) noexcept {
  return set_lock(descriptor, byte_range(offset, mode == LockMode::exclusive ? F_WRLCK : F_RDLCK));
}

void unlock_byte(int descriptor, std::uint64_t offset) noexcept {
  set_lock(descriptor, byte_range(offset, F_UNLCK));
}

LockState probe_byte(int descriptor, std::uint64_t offset) noexcept {
  struct flock range = byte_range(offset, F_WRLCK);
  for (;;) {
    if (::fcntl(descriptor, F_OFD_GETLK, &range) == 0) break;
    if (errno != EINTR) return LockState::unknown;
  }
  return range.l_type == F_UNLCK ? LockState::free : LockState::held;
}

}  // namespace cache_me
