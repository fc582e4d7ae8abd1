// What a miss takes before the database is asked, and what its answer rests on once its rows are there: the
// reader's protocol (DESIGN.md section 5, steps 2 and 3) in one call before and one call after.
//
// Why an entry with these versions is never stale. The clock is read first, then the versions, and only then
// is the database asked. What is known from the query (early) is recorded with the version that it had
// before: a commit that touches it and that the answer may not show bumps it later, and the entry is born
// invalid. What only the rows tell (late) counts if it carries no intent and its version is not younger than
// the clock: then no commit that touches it has returned since, and none is under way.
//
// The rule was made of the catalog under one version of the schema. That version is among those that are
// taken, and has to be the one that the rule was made under. So an entry counts only as long as the schema is
// what the rule goes by: a DDL commit that is over before shows in the version, one that is under way as an
// intent, and a later one makes the entry invalid. (The long way, reading/lookup.py, looks at the schema
// apart from the dependencies, before and after; here these looks are one.)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache_me/dependency_rules.hpp"
#include "cache_me/version_table.hpp"

namespace cache_me {

// What is the same for all misses of one text under one schema.
struct Terms {
  std::shared_ptr<const ReadRule> rule;  // null: `always` is all that the answers rest on
  std::vector<Dependency> always;        // with the schema's own among them
  Dependency schema = 0;
  std::uint64_t epoch = 0;           // of the version table that gave
  std::uint64_t schema_version = 0;  // the version under which the rule was made
};

// What one miss has taken. `terms` and `table` have to live as long as this does.
class Taken {
 public:
  // Before the database is asked. Nothing: an intent stands, the schema is another one or the table isn't
  // usable.
  static std::optional<Taken> before(const Terms& terms, const VersionTable& table,
                                     const Parameters& parameters, bool may_witness);

  // Whether the keys of the rows behind the answer are to be asked for, before the answer.
  bool needs_witnesses() const noexcept { return footing_.needs_witnesses; }

  // Adds what the rows tell; to be called once. False: overtaken by a commit, the answer must not be kept.
  bool settle(const Parameters& parameters, const ResultRows& result, const ResultRows* witnesses);

  std::uint64_t epoch() const noexcept { return terms_->epoch; }
  std::span<const Dependency> dependencies() const noexcept { return dependencies_; }
  std::span<const std::uint64_t> versions() const noexcept { return versions_; }

 private:
  Taken(const Terms& terms, const VersionTable& table) : terms_(&terms), table_(&table) {}
  bool read_from(std::size_t first);

  const Terms* terms_;
  const VersionTable* table_;
  std::uint64_t clock_ = 0;
  ReadRule::Footing footing_;
  std::vector<Dependency> dependencies_;
  std::vector<std::uint64_t> versions_;
};

}  // namespace cache_me
