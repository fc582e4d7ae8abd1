// Entries that this process has read before, so that a hit need not copy, check and parse them once more.
//
// What counts is in the store, always: SharedStore::get() looks there first, and says that an entry is the
// one that was read before if its checksum is the same. That is over the key's hash, the value and the
// entry's end, seeded by the file, in 64 bits. Fingerprint and versions are compared by whoever asks, as
// ever, and they are those of what was kept.
//
// A fixed number of places, each for the keys of some hashes, and a bound on bytes. For one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cache_me/entry.hpp"

namespace cache_me {

struct KeptEntry {
  std::string key;
  std::uint64_t checksum = 0;
  EntryHead head;
  std::string rows;

  std::size_t bytes() const noexcept;
};

class KeptEntries {
 public:
  static constexpr std::size_t kPlaces = 512;
  static constexpr std::size_t kMostBytes = 2u << 20;
  // Smaller ones are read as fast anew; larger ones would drive out too many others.
  static constexpr std::size_t kLeast = 768;
  static constexpr std::size_t kMost = 64u << 10;

  // What was kept under that key, or null. It stays as it is for whoever has it.
  std::shared_ptr<const KeptEntry> find(std::string_view key) const noexcept;

  // Keeps an entry whose value in the store has that many bytes, if that is worth it: at the second sight
  // with no other of its place in between, so that keys that take turns don't drive each other out. May throw
  // std::bad_alloc.
  void keep(std::string_view key, std::uint64_t checksum, std::size_t size, const Entry& entry);

  std::size_t bytes() const noexcept { return bytes_; }

 private:
  static std::size_t place_of(std::string_view key) noexcept;
  void put(std::size_t place, std::shared_ptr<const KeptEntry> entry) noexcept;

  std::array<std::shared_ptr<const KeptEntry>, kPlaces> places_;
  std::array<std::uint64_t, kPlaces> seen_{};  // the checksum that was last offered to that place
  std::size_t bytes_ = 0;
  std::size_t next_ = 0;  // the place that is emptied next for want of room
};

}  // namespace cache_me
