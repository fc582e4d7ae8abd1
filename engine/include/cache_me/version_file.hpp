// The bytes of a version file: what stands where, for ever.
//
// Every project, user and release on a host that writes to one database meets in one such file, so its layout
// is a contract between programs of different ages: kLayout stays 1. docs/format.md has the same table in
// words; the assertions below nail it. All numbers are little-endian, as the processors that are supported
// are.
//
//      0  header (4096 bytes)
//   4096  slots: one 64-bit number each, a power of two of them
//      …  owner records, 2048 bytes each
//
// The first 16 bytes mean the same in any layout that may ever come: magic, layout, state.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cache_me/mapped_file.hpp"

namespace cache_me::version_file {

inline constexpr std::uint64_t kMagic = 0x3153524556454D43;  // "CMEVERS1"
inline constexpr std::uint32_t kLayout = 1;
inline constexpr std::uint32_t kMaxRecords = 1024;
inline constexpr std::uint32_t kMinSlots = 1u << 9;
inline constexpr std::uint32_t kMaxSlots = 1u << 24;
inline constexpr std::size_t kIdentityBytes = 1012;
inline constexpr std::size_t kSessionBytes = 200;
inline constexpr std::size_t kRecordDependencies = 223;

// Files that nobody uses any more are recognised by this beginning of their names.
inline constexpr std::string_view kNamePrefix = "django_cache_me.versions.";

// A lease is how long a process may rely on the path leading to its file without looking.
inline constexpr std::uint64_t kLeaseNs = 1'000'000'000;
inline constexpr std::uint64_t kUnusedSeconds = 24 * 3600;

// usable_from of a file that nobody has opened since it was published.
inline constexpr std::uint64_t kNotStarted = ~std::uint64_t{0};

// Kernel locks on bytes beyond the end: a living user holds this one shared. (kMappedFile's rebuild lock is
// the byte before.)
inline constexpr std::uint64_t kUserLockByte = (std::uint64_t{1} << 62) + 1;

enum State : std::uint32_t { kReady = 1, kRetired = 2 };

struct Header {
  std::uint64_t magic;
  std::uint32_t layout;
  std::atomic<std::uint32_t> state;
  std::uint64_t size;                      // of the file, in bytes
  std::uint64_t epoch;                     // random, drawn at creation; never zero
  std::atomic<std::uint64_t> usable_from;  // CLOCK_BOOTTIME, in ns
  std::atomic<std::uint64_t> floor;        // no version is less: raised instead of every slot
  std::uint32_t slots;
  std::uint32_t records;
  std::uint64_t checksum;  // of what never changes in the header

  alignas(64) std::atomic<std::uint64_t> last_used;  // CLOCK_REALTIME, in seconds, seldom written
  std::atomic<std::uint64_t> wanted;  // when somebody found no free record: CLOCK_BOOTTIME, in ns

  alignas(64) std::atomic<std::uint64_t> sequence;  // the last number drawn

  // The sign: bit i may be set though record i carries no intent; it is never clear while that one does.
  alignas(64) std::atomic<std::uint64_t> sign[kMaxRecords / 64];

  alignas(64) char boot_id[64];
  std::uint64_t identity_hash;    // of the whole text
  std::uint32_t identity_length;  // of what is kept here
  char identity[kIdentityBytes];
  char reserved[4096 - 1408];
};

enum RecordState : std::uint64_t { kIdle = 0, kDeclared = 1, kUnknownOutcome = 2 };
inline constexpr std::uint64_t kStateMask = 3;

constexpr std::uint64_t word_of(std::uint64_t serial, std::uint64_t state) noexcept {
  return serial << 2 | state;
}

enum RecordFlags : std::uint32_t {
  kSettlesWithOwner = 1,  // a dead owner's session is gone with it (SQLite)
  kEverything = 2,        // more dependencies than fit: the intent is on all there are
};

struct alignas(64) Record {
  std::atomic<std::uint32_t> generation;  // owner_records.hpp's
  std::atomic<std::uint32_t> flags;
  std::atomic<std::uint64_t>
      word;  // RecordState in the 2 low bits, above them the serial number of the intent
  std::atomic<std::uint32_t> dependency_count;
  std::atomic<std::uint32_t> session_length;
  std::uint64_t reserved[5];
  std::atomic<std::uint64_t> dependencies[kRecordDependencies];
  std::atomic<std::uint64_t> session[kSessionBytes / 8];
};

static_assert(std::endian::native == std::endian::little);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(std::atomic<std::uint64_t>) == 8);
static_assert(sizeof(Header) == 4096 && sizeof(Record) == 2048);
static_assert(offsetof(Header, layout) == 8 && offsetof(Header, state) == 12 && offsetof(Header, size) == 16);
static_assert(offsetof(Header, epoch) == 24 && offsetof(Header, usable_from) == 32 &&
              offsetof(Header, floor) == 40);
static_assert(offsetof(Header, slots) == 48 && offsetof(Header, records) == 52 &&
              offsetof(Header, checksum) == 56);
static_assert(offsetof(Header, last_used) == 64 && offsetof(Header, wanted) == 72);
static_assert(offsetof(Header, sequence) == 128 && offsetof(Header, sign) == 192);
static_assert(offsetof(Header, boot_id) == 320 && offsetof(Header, identity_hash) == 384);
static_assert(offsetof(Header, identity_length) == 392 && offsetof(Header, identity) == 396);
static_assert(offsetof(Header, reserved) == 1408);
static_assert(offsetof(Record, flags) == 4 && offsetof(Record, word) == 8);
static_assert(offsetof(Record, dependency_count) == 16 && offsetof(Record, session_length) == 20);
static_assert(offsetof(Record, dependencies) == 64 && offsetof(Record, session) == 1848);

// Bytes of a file of this geometry.
constexpr std::size_t file_size(std::uint32_t slots, std::uint32_t records) noexcept {
  return sizeof(Header) + std::size_t{slots} * 8 + std::size_t{records} * sizeof(Record);
}

// The format for MappedFile::open(): accepts a file of this layout, boot and identity, with any geometry;
// rebuilds older layouts, other boots, retired and damaged files; refuses newer layouts, another database's
// file, and what doesn't look like a version file at all, unless its name begins with kNamePrefix (then
// nobody else's data is there). `fresh`: a new file is usable at once.
FileFormat format(const std::string& path, const std::string& identity, std::uint32_t slots,
                  std::uint32_t records, bool fresh);

// Fills the header of a new file whose other bytes are zero.
void initialise(Header& header, std::string_view identity, std::uint32_t slots, std::uint32_t records,
                bool fresh);

// Retires and unlinks the version files beside `path` that are this user's, that no living process uses and
// that were last used more than kUnusedSeconds ago. Returns how many. Errors are passed over: it is a
// courtesy.
std::size_t remove_unused(const std::string& path);

// CLOCK_REALTIME in seconds.
std::uint64_t realtime_seconds() noexcept;

}  // namespace cache_me::version_file
