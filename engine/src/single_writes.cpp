#include "cache_me/single_writes.hpp"

namespace cache_me {

bool SingleWrites::schema_stays() const {
  std::uint64_t version = 0;
  return table_->read(std::span(&schema_, 1), std::span(&version, 1)) && version == version_;
}

std::optional<Intent> SingleWrites::declare(const WriteRule& rule, const Parameters& parameters,
                                            std::span<const Dependency> others) const {
  DependencyList written;
  written.hashes.assign(others.begin(), others.end());
  rule.dependencies(parameters, true, table_->marked(rule.band_hints()), written);
  if (written.hashes.size() > version_file::kRecordDependencies || !schema_stays()) return std::nullopt;
  Result<Intent> declared = table_->declare(written.hashes, session_, settles_with_owner_);
  if (!declared) return std::nullopt;
  return std::move(*declared);
}

bool SingleWrites::finish(Intent&& intent) const {
  const bool is_ours = table_->finish(std::move(intent));
  return schema_stays() && is_ours;
}

}  // namespace cache_me
