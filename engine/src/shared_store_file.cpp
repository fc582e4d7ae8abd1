#include "shared_store_file.hpp"

#include <algorithm>
#include <cstring>

#include "cache_me/hash.hpp"

namespace cache_me::entries_file {
namespace {

std::uint64_t checksum_of(const Header& header) noexcept {
  const std::uint64_t numbers[] = {header.magic,  header.layout, header.size,
                                   header.region, header.seed,   header.shards};
  return hash64({reinterpret_cast<const char*>(numbers), sizeof numbers},
                hash64({header.boot_id, sizeof header.boot_id}));
}

std::string_view name_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string_view(path) : std::string_view(path).substr(slash + 1);
}

Inspection inspect(std::span<std::byte> bytes, const std::string& path, std::uint32_t layout) {
  const Header& header = *reinterpret_cast<const Header*>(bytes.data());
  const std::string name = "'" + path + "'";
  if (header.magic != kMagic) {
    if (name_of(path).starts_with(kNamePrefix)) return Inspection::rebuild();
    return Inspection::refuse(
        Status(StatusCode::incompatible,
               name + " is not a store of entries, and is left alone; choose another place or remove it"));
  }
  if (header.layout > layout) {
    return Inspection::refuse(Status(StatusCode::incompatible,
                                     name + " has layout " + std::to_string(header.layout) +
                                         ", which is newer than this program's " + std::to_string(layout) +
                                         "; bring the project's processes to the same release"));
  }
  if (header.layout < layout) return Inspection::rebuild();
  if (header.state.load(std::memory_order_acquire) != kReady) return Inspection::rebuild();
  if (header.size != bytes.size() || !geometry_holds(header.shards, header.region, header.size) ||
      header.seed == 0 || header.checksum != checksum_of(header)) {
    return Inspection::rebuild();
  }
  const std::string_view boot(header.boot_id, ::strnlen(header.boot_id, sizeof header.boot_id));
  return boot == boot_id() ? Inspection::accept() : Inspection::rebuild();
}

Status initialise(Header& header, std::uint64_t region, std::uint32_t shards, std::uint32_t layout) {
  header.magic = kMagic;
  header.layout = layout;
  header.size = kShardsOffset + shards * region;
  header.region = region;
  header.seed = random_u64();
  header.shards = shards;
  const std::string boot = boot_id();
  std::memcpy(header.boot_id, boot.data(), std::min(boot.size(), sizeof header.boot_id - 1));
  header.checksum = checksum_of(header);
  header.state.store(kReady, std::memory_order_release);
  return Status();
}

}  // namespace

FileFormat format(const std::string& path, std::uint64_t region, std::uint32_t shards, std::uint32_t layout) {
  FileFormat format;
  format.size = kShardsOffset + shards * region;
  format.header_size = sizeof(Header);
  format.initialise = [=](std::span<std::byte> bytes) {
    return initialise(*reinterpret_cast<Header*>(bytes.data()), region, shards, layout);
  };
  format.inspect = [=](std::span<std::byte> bytes) { return inspect(bytes, path, layout); };
  format.retire = [](std::span<std::byte> bytes) {
    reinterpret_cast<Header*>(bytes.data())->state.store(kRetired, std::memory_order_seq_cst);
  };
  return format;
}

}  // namespace cache_me::entries_file
