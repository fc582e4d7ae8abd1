#include "cache_me/taken.hpp"

#include <algorithm>
#include <utility>

namespace cache_me {

// The versions of the dependencies from that one on.
bool Taken::read_from(std::size_t first) {
  versions_.resize(dependencies_.size());
  return table_->read(std::span(dependencies_).subspan(first), std::span(versions_).subspan(first));
}

std::optional<Taken> Taken::before(const Terms& terms, const VersionTable& table,
                                   const Parameters& parameters, bool may_witness) {
  if (table.epoch() != terms.epoch) return std::nullopt;
  Taken taken(terms, table);
  taken.clock_ = table.clock();
  DependencyList early;
  early.hashes = terms.always;
  if (terms.rule) taken.footing_ = terms.rule->before(parameters, may_witness, early);
  table.mark(taken.footing_.hints);
  taken.dependencies_ = std::move(early.hashes);
  if (!taken.read_from(0)) return std::nullopt;
  const auto schema = std::find(taken.dependencies_.begin(), taken.dependencies_.end(), terms.schema);
  if (schema == taken.dependencies_.end() ||
      taken.versions_[static_cast<std::size_t>(schema - taken.dependencies_.begin())] !=
          terms.schema_version) {
    return std::nullopt;
  }
  return taken;
}

bool Taken::settle(const Parameters& parameters, const ResultRows& result, const ResultRows* witnesses) {
  if (!footing_.needs_rows && !footing_.needs_witnesses) return true;
  const std::size_t early = dependencies_.size();
  DependencyList late;
  late.hashes = std::move(dependencies_);
  terms_->rule->after(footing_, parameters, result, witnesses, late);
  dependencies_ = std::move(late.hashes);
  if (dependencies_.size() == early) return true;
  return read_from(early) &&
         std::all_of(versions_.begin() + static_cast<std::ptrdiff_t>(early), versions_.end(),
                     [&](std::uint64_t version) { return version <= clock_; });
}

}  // namespace cache_me
