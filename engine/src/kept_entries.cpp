#include "cache_me/kept_entries.hpp"

#include <utility>

#include "cache_me/hash.hpp"

namespace cache_me {

std::size_t KeptEntry::bytes() const noexcept {
  return sizeof *this + key.capacity() + rows.capacity() +
         (head.dependencies.capacity() + head.versions.capacity()) * sizeof(std::uint64_t);
}

std::size_t KeptEntries::place_of(std::string_view key) noexcept {
  return hash64(key) % kPlaces;
}

std::shared_ptr<const KeptEntry> KeptEntries::find(std::string_view key) const noexcept {
  const auto& kept = places_[place_of(key)];
  return kept != nullptr && kept->key == key ? kept : nullptr;
}

void KeptEntries::keep(std::string_view key, std::uint64_t checksum, std::size_t size, const Entry& entry) {
  if (size < kLeast || size > kMost) return;
  const std::size_t place = place_of(key);
  if (std::exchange(seen_[place], checksum) != checksum) return;
  auto made = std::make_shared<KeptEntry>();
  made->key = key;
  made->checksum = checksum;
  made->head = entry.head;
  made->rows = entry.rows;
  put(place, nullptr);
  while (bytes_ + made->bytes() > kMostBytes) {
    put(next_, nullptr);
    if (next_ != place) seen_[next_] = 0;
    next_ = (next_ + 1) % kPlaces;
  }
  put(place, std::move(made));
}

void KeptEntries::put(std::size_t place, std::shared_ptr<const KeptEntry> entry) noexcept {
  if (places_[place] != nullptr) bytes_ -= places_[place]->bytes();
  if (entry != nullptr) bytes_ += entry->bytes();
  places_[place] = std::move(entry);
}

}  // namespace cache_me
