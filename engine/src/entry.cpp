#include "cache_me/entry.hpp"

#include <cstring>
#include <utility>

namespace cache_me {
namespace {

constexpr std::size_t kFixed = 2 * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);

template <typename T>
void append(std::string& out, const T& value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void append_all(std::string& out, std::span<const std::uint64_t> values) {
  for (const std::uint64_t value : values) append(out, value);
}

template <typename T>
T take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

void take_all(std::string_view& bytes, std::size_t count, std::vector<std::uint64_t>& values) {
  values.resize(count);
  if (count != 0) std::memcpy(values.data(), bytes.data(), count * sizeof(std::uint64_t));
  bytes.remove_prefix(count * sizeof(std::uint64_t));
}

}  // namespace

void append_entry_head(std::string& out, std::uint64_t fingerprint, std::uint64_t epoch,
                       std::span<const std::uint64_t> dependencies, std::span<const std::uint64_t> versions) {
  append(out, kEntryMagic);
  append(out, static_cast<std::uint32_t>(dependencies.size()));
  append(out, fingerprint);
  append(out, epoch);
  append_all(out, dependencies);
  append_all(out, versions);
}

bool parse_entry(std::string_view bytes, Entry& entry) {
  if (bytes.size() < kFixed || take<std::uint32_t>(bytes) != kEntryMagic) return false;
  const std::size_t count = take<std::uint32_t>(bytes);
  entry.head.fingerprint = take<std::uint64_t>(bytes);
  entry.head.epoch = take<std::uint64_t>(bytes);
  if (count > bytes.size() / (2 * sizeof(std::uint64_t))) return false;
  take_all(bytes, count, entry.head.dependencies);
  take_all(bytes, count, entry.head.versions);
  entry.rows = bytes;
  return true;
}

std::optional<Entry> parse_entry(std::string_view bytes) {
  Entry entry;
  return parse_entry(bytes, entry) ? std::optional(std::move(entry)) : std::nullopt;
}

}  // namespace cache_me
