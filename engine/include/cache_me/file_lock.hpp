// Kernel locks on byte ranges of a file, owned by an open file description: the one place that knows the
// operating system's calls for them.
//
// Linux: open file description locks (fcntl(2), F_OFD_SETLK, since 3.15). They belong to the description, not
// to the process or the thread: they end when its last descriptor is closed, so also when the process is
// killed at any instant; they mean the same in every pid namespace; and a second open of the same file in the
// same process conflicts like a stranger's. All descriptors of one description (dup, fork) share its locks.
// Another platform needs an implementation of these three functions and nothing else.
#pragma once

#include <cstdint>

namespace cache_me {

enum class LockMode { shared, exclusive };

// Takes a lock on the byte at `offset` (which may lie beyond the end of the file) if nobody's lock conflicts;
// never waits. `descriptor` must be open for writing (exclusive) or reading (shared). A description that
// holds the byte already changes its mode. False: somebody holds it, or the call failed. Any thread.
bool try_lock_byte(int descriptor, std::uint64_t offset, LockMode mode) noexcept;

// Gives the byte back. Does nothing if it isn't held.
void unlock_byte(int descriptor, std::uint64_t offset) noexcept;

// What is known of the byte: `free` (nobody but perhaps `descriptor`'s own description holds a lock there),
// `held` (another description holds one), or `unknown` (the call failed, for instance on a closed
// descriptor).
enum class LockState { free, held, unknown };
LockState probe_byte(int descriptor, std::uint64_t offset) noexcept;

}  // namespace cache_me
