// One cached result as bytes: what it rests on, and its rows.
//
// The store keeps opaque values; this is what stands in them for querysets. All numbers are in the machine's
// byte order (entries never leave the host):
//
//   u32 magic | u32 count | u64 fingerprint | u64 epoch | count x u64 dependency | count x u64 version | rows
//
// Nothing of it is trusted when it is read: lengths are checked, and what doesn't fit is no entry.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cache_me {

inline constexpr std::uint32_t kEntryMagic = 0x31654D43;  // "CMe1"

// What a reader recorded before it asked the database, and under which schema of its model.
struct EntryHead {
  std::uint64_t fingerprint = 0;  // of the model's fields, the codec and Django; another one is a miss
  std::uint64_t epoch = 0;        // of the version table
  std::vector<std::uint64_t> dependencies;
  std::vector<std::uint64_t> versions;  // as many
};

struct Entry {
  EntryHead head;
  std::string_view rows;  // into the bytes that were parsed
};

// Appends the head to `out`; the rows are to be appended after it.
void append_entry_head(std::string& out, std::uint64_t fingerprint, std::uint64_t epoch,
                       std::span<const std::uint64_t> dependencies, std::span<const std::uint64_t> versions);

// The entry in `bytes`, into `entry`, whose room is used again. False: they are no entry. Never reads
// outside.
bool parse_entry(std::string_view bytes, Entry& entry);

// The same, or nothing.
std::optional<Entry> parse_entry(std::string_view bytes);

}  // namespace cache_me
