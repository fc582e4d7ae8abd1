// Statements that are commits of their own: from what one of them writes to its intent, and to its bump, in
// one call each.
//
// What is declared is the same as by the long way: the rule's dependencies and `others`. The long way looks
// at the schema's version before the statement's tables are looked up, again just before the commit, and
// after it. Here the first two are one: the rule was made under `version`, nothing but declare() stands
// between this look and the commit. A DDL commit that is over before it shows in the version, one that is
// under way as an intent, and either means the long way. A DDL commit that begins after it shows in finish(),
// before the statement has returned to its caller.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cache_me/dependency_rules.hpp"
#include "cache_me/version_table.hpp"

namespace cache_me {

// What the statements of one connection have in common. Thread-safe, as the table is.
class SingleWrites {
 public:
  // `schema` is the dependency that DDL bumps, `version` the one under which the rules were made; `session`
  // and `settles_with_owner` are declare()'s.
  SingleWrites(std::shared_ptr<VersionTable> table, Dependency schema, std::uint64_t version,
               std::string session, bool settles_with_owner)
      : table_(std::move(table)),
        schema_(schema),
        version_(version),
        session_(std::move(session)),
        settles_with_owner_(settles_with_owner) {}

  // The intent of a statement of that rule, declared; `others` is bumped too. Nothing: it isn't, and the long
  // way has to be gone (the schema is another, the file was replaced, no record is free, too much is
  // written).
  std::optional<Intent> declare(const WriteRule& rule, const Parameters& parameters,
                                std::span<const Dependency> others) const;

  // The statement has returned: bumps and withdraws. False: the file was replaced, or the schema changed
  // meanwhile, so that anything may have been written: everything is to be bumped, where the file is now.
  bool finish(Intent&& intent) const;

  VersionTable& table() const noexcept { return *table_; }

 private:
  bool schema_stays() const;

  std::shared_ptr<VersionTable> table_;
  Dependency schema_;
  std::uint64_t version_;
  std::string session_;
  bool settles_with_owner_;
};

}  // namespace cache_me
