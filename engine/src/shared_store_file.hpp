// The bytes of a file of entries: what stands where. Private to the store.
//
//      0  header (4096 bytes)
//   4096  owner records: 1024 words, see owner_records.hpp
//   8192  shards, `region` bytes each: a header of 256 bytes, buckets (32-bit block numbers), blocks of 256
//         bytes
//
// A file of zeros with a header is a store of empty shards, so that a new file needn't be touched. Blocks are
// numbered from 1; 0 is none. The first 16 bytes mean the same in any layout that may ever come: magic,
// layout, state. All numbers are little-endian. Whatever changes in the bytes below changes kEntriesLayout.
//
// All fields that are read while the store is in use are atomics, read once and checked before they are used:
// a file that somebody else scribbles into may say one thing now and another thing later.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cache_me/mapped_file.hpp"

namespace cache_me::entries_file {

inline constexpr std::uint64_t kMagic = 0x31525445454D43;  // "CMEETR1"
inline constexpr std::uint32_t kEntriesLayout = 1;
inline constexpr std::uint32_t kRecords = 1024;
inline constexpr std::size_t kRecordStride = 4;
inline constexpr std::size_t kBlockBytes = 256;
inline constexpr std::uint32_t kMaxShards = 1024;
inline constexpr std::uint64_t kMinRegion = 64 * 1024;
inline constexpr std::uint64_t kMaxRegion = std::uint64_t{1} << 36;  // block numbers stay far below 2^32
inline constexpr std::uint32_t kNone = 0;
inline constexpr std::uint32_t kFree = 0;  // the `head` of a block that belongs to no entry

// Files whose names begin so are ours whatever they hold; others that don't look like ours are left alone.
inline constexpr std::string_view kNamePrefix = "django_cache_me.entries.";

enum State : std::uint32_t { kReady = 1, kRetired = 2 };

struct Header {
  std::uint64_t magic;
  std::uint32_t layout;
  std::atomic<std::uint32_t> state;
  std::uint64_t size;    // of the file, in bytes
  std::uint64_t region;  // of one shard, in bytes
  std::uint64_t seed;    // of all hashes; random, never zero
  std::uint32_t shards;
  std::uint32_t reserved_word;
  std::uint64_t checksum;  // of all above but the state, and of boot_id
  char boot_id[64];
  char reserved[4096 - 120];
};

struct ShardHeader {
  std::atomic<std::uint32_t> lock;   // OwnerId::packed() of the holder; 0: nobody
  std::atomic<std::uint32_t> dirty;  // not zero while the holder changes the shard
  char line0[56];

  std::atomic<std::uint32_t> entries;
  std::atomic<std::uint32_t> touched;    // blocks 1 to `touched` were used since the last reset
  std::atomic<std::uint32_t> free_head;  // of those, the ones that are free again, linked by `next`
  std::atomic<std::uint32_t> free_count;
  std::atomic<std::uint32_t> newest;  // the eviction queue: entries by age
  std::atomic<std::uint32_t> oldest;
  std::atomic<std::uint32_t> hand;  // where eviction goes on
  char line1[36];

  std::atomic<std::uint64_t> gets;
  std::atomic<std::uint64_t> hits;
  std::atomic<std::uint64_t> puts;
  std::atomic<std::uint64_t> evictions;
  std::atomic<std::uint64_t> expirations;
  std::atomic<std::uint64_t> corrupt;
  std::atomic<std::uint64_t> recovered;
  std::atomic<std::uint64_t> busy;  // the only one that is changed without the lock

  char reserved[64];
};

struct Block {
  std::atomic<std::uint32_t> next;  // of the entry's chain, or of the free list
  std::atomic<std::uint32_t> head;  // the entry's first block, or kFree
  alignas(8) char bytes[kBlockBytes - 8];
};

// At the beginning of `bytes` of an entry's first block; key and value follow, without a gap.
struct Entry {
  std::atomic<std::uint64_t> hash;        // of the key
  std::atomic<std::uint64_t> expires_ms;  // CLOCK_BOOTTIME; 0: never
  std::atomic<std::uint64_t> checksum;    // of hash, lengths, expiry and value; the key is compared in full
  std::atomic<std::uint32_t> bucket_next;
  std::atomic<std::uint32_t> newer;
  std::atomic<std::uint32_t> older;
  std::atomic<std::uint32_t> visited;
  std::atomic<std::uint32_t> key_size;
  std::atomic<std::uint32_t> value_size;
};

inline constexpr std::size_t kHeadBytes = sizeof(Block::bytes) - sizeof(Entry);
inline constexpr std::size_t kTailBytes = sizeof(Block::bytes);

static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(Header) == 4096 && sizeof(ShardHeader) == 256 && sizeof(Block) == kBlockBytes);
static_assert(sizeof(Entry) == 48 && kHeadBytes == 200 && kTailBytes == 248);
static_assert(offsetof(Header, layout) == 8 && offsetof(Header, state) == 12 && offsetof(Header, size) == 16);
static_assert(offsetof(Header, region) == 24 && offsetof(Header, seed) == 32 &&
              offsetof(Header, shards) == 40);
static_assert(offsetof(Header, checksum) == 48 && offsetof(Header, boot_id) == 56);
static_assert(offsetof(ShardHeader, dirty) == 4 && offsetof(ShardHeader, entries) == 64);
static_assert(offsetof(ShardHeader, hand) == 88 && offsetof(ShardHeader, gets) == 128);
static_assert(offsetof(ShardHeader, busy) == 184);
static_assert(offsetof(Block, bytes) == 8 && offsetof(Entry, bucket_next) == 24);
static_assert(offsetof(Entry, value_size) == 44);

inline constexpr std::size_t kRecordsOffset = sizeof(Header);
inline constexpr std::size_t kShardsOffset = kRecordsOffset + kRecords * kRecordStride;

// How a region is divided.
struct Geometry {
  std::uint32_t buckets = 0;  // a power of two
  std::uint32_t blocks = 0;
};

// One bucket for each block, or somewhat fewer. `region` is from kMinRegion to kMaxRegion.
constexpr Geometry geometry_of(std::uint64_t region) noexcept {
  const std::uint64_t buckets = std::bit_floor(region / kBlockBytes);
  return {static_cast<std::uint32_t>(buckets),
          static_cast<std::uint32_t>((region - sizeof(ShardHeader) - buckets * 4) / kBlockBytes)};
}
static_assert(geometry_of(kMinRegion).buckets * 4 % kBlockBytes == 0);
static_assert(geometry_of(kMaxRegion).buckets == std::uint32_t{1} << 28);

// The region of each of `shards` in a file of about `capacity` bytes, a multiple of the page size.
constexpr std::uint64_t region_of(std::uint64_t capacity, std::uint32_t shards) noexcept {
  return capacity <= kShardsOffset ? 0 : (capacity - kShardsOffset) / shards / 4096 * 4096;
}

// Do these numbers make a file of that size?
constexpr bool geometry_holds(std::uint32_t shards, std::uint64_t region, std::uint64_t size) noexcept {
  return shards >= 1 && shards <= kMaxShards && region >= kMinRegion && region <= kMaxRegion &&
         region % 4096 == 0 && kShardsOffset + shards * region == size;
}

// The format for MappedFile::open(): accepts a file of this layout and boot, with any geometry; rebuilds
// older layouts, other boots, retired and damaged files; refuses newer layouts, and what doesn't look like a
// file of entries at all, unless its name begins with kNamePrefix. `layout` is another one
// only where a test plays a program of another release.
FileFormat format(const std::string& path, std::uint64_t region, std::uint32_t shards,
                  std::uint32_t layout = kEntriesLayout);

}  // namespace cache_me::entries_file
