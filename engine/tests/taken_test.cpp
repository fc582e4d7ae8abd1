// What a miss takes before the database is asked, and what counts of its rows afterwards.
#include "cache_me/taken.hpp"

#include <gtest/gtest.h>

#include <string>

#include "one_parameter.hpp"
#include "version_table_fixture.hpp"

namespace cache_me::testing {
namespace {

constexpr Dependency kSchema = 7;
constexpr Dependency kAll = 8;

// Rows whose columns are all the row's own integer.
class Keys : public ResultRows {
 public:
  explicit Keys(std::vector<std::int64_t> keys) : keys_(std::move(keys)) {}
  std::size_t rows() const override { return keys_.size(); }
  Cell cell(std::size_t row, std::size_t, ValueType type, KnownValue& value) const override {
    value = {type, keys_[row], {}};
    return Cell::known;
  }

 private:
  std::vector<std::int64_t> keys_;
};

class TakenTest : public VersionTableTest {
 protected:
  TakenTest() : table_(open()) {}

  Terms terms(const std::string& sql, std::uint64_t version = 0) const {
    TableFacts facts{"product", {}, {"id"}, {}};
    facts.columns = {{"id", ValueType::integer, 0, false}, {"category_id", ValueType::integer, 0, false}};
    TableFactsByName tables;
    tables.emplace("product", std::make_shared<TableFacts>(std::move(facts)));
    const TokenStream stream = tokenize_sql(sql, Dialect::postgresql);
    Terms made;
    made.rule = std::make_shared<ReadRule>(stream, scan_sql(stream).statements.front(), tables);
    made.always = {kAll, kSchema};
    made.schema = kSchema;
    made.epoch = table_->epoch();
    made.schema_version = version;
    return made;
  }
  Terms by_key(std::uint64_t version = 0) const {
    return terms("SELECT product.id FROM product WHERE product.id = %s", version);
  }
  Terms by_value() const {
    return terms("SELECT product.id, product.category_id FROM product WHERE product.category_id = %s");
  }
  std::optional<Taken> take(const Terms& terms) const {
    return Taken::before(terms, *table_, OneParameter(5), true);
  }
  static bool settle(Taken& taken, std::vector<std::int64_t> keys) {
    return taken.settle(OneParameter(5), Keys(std::move(keys)), nullptr);
  }
  bool counts(const Taken& taken) const {
    return table_->unchanged(taken.epoch(), taken.dependencies(), taken.versions());
  }
  void bump(Dependency dependency) { table_->bump(std::vector<Dependency>{dependency}); }
  static Dependency row(std::int64_t key) {
    const KnownValue values[] = {{ValueType::integer, key, {}}};
    return row_dependency("product", values);
  }

  Table table_;
};

TEST_F(TakenTest, CountsUntilWhatItRestsOnIsBumped) {
  for (const Dependency dependency : {row(5), kAll, kSchema}) {
    const Terms found = by_key(fill(*table_, {kSchema})[0]);
    std::optional<Taken> taken = take(found);
    ASSERT_TRUE(taken && settle(*taken, {5}));
    EXPECT_TRUE(counts(*taken));
    bump(row(6));
    EXPECT_TRUE(counts(*taken));
    bump(dependency);
    EXPECT_FALSE(counts(*taken));
  }
}

TEST_F(TakenTest, WhatWasBumpedWhileTheDatabaseWasAskedNeverCounts) {
  const Terms found = by_key();
  std::optional<Taken> taken = take(found);
  ASSERT_TRUE(taken);
  bump(row(5));
  EXPECT_TRUE(settle(*taken, {5}));
  EXPECT_FALSE(counts(*taken));
}

TEST_F(TakenTest, TakesNothingUnderAnotherSchema) {
  bump(kSchema);
  EXPECT_FALSE(take(by_key(0)));
  const Terms now = by_key(fill(*table_, {kSchema})[0]);
  EXPECT_TRUE(take(now));
}

TEST_F(TakenTest, TakesNothingInAnotherEpoch) {
  Terms found = by_key();
  found.epoch += 1;
  EXPECT_FALSE(take(found));
}

TEST_F(TakenTest, TakesNothingThatCarriesAnIntent) {
  const Terms found = by_key();
  for (const Dependency dependency : {row(5), kAll, kSchema}) {
    Intent intent = declare(*table_, {dependency});
    EXPECT_FALSE(take(found));
    // What the schema's intent has bumped is another schema.
    if (dependency != kSchema) {
      table_->finish(std::move(intent));
      EXPECT_TRUE(take(found));
    }
  }
}

TEST_F(TakenTest, RowsCountByTheirKeys) {
  const Terms found = by_value();
  std::optional<Taken> taken = take(found);
  ASSERT_TRUE(taken && settle(*taken, {3, 4}));
  EXPECT_TRUE(counts(*taken));
  bump(row(5));
  EXPECT_TRUE(counts(*taken));
  bump(row(4));
  EXPECT_FALSE(counts(*taken));
}

TEST_F(TakenTest, ARowThatWasWrittenSinceTheClockIsOvertaken) {
  const Terms found = by_value();
  std::optional<Taken> taken = take(found);
  ASSERT_TRUE(taken);
  bump(row(4));
  EXPECT_FALSE(settle(*taken, {3, 4}));
}

TEST_F(TakenTest, ARowThatIsBeingWrittenIsOvertaken) {
  const Terms found = by_value();
  std::optional<Taken> taken = take(found);
  ASSERT_TRUE(taken);
  Intent intent = declare(*table_, {row(4)});
  EXPECT_FALSE(settle(*taken, {3, 4}));
  table_->finish(std::move(intent));
}

TEST_F(TakenTest, WordIsLeftForWritersWhereBandsAreAskedFor) {
  const std::vector<Dependency> hint = {dependency_of("banded", "product", "category_id")};
  const Terms pinned = by_value();
  ASSERT_TRUE(take(pinned));
  EXPECT_EQ(table_->marked(hint), 0U);
  const Terms ranged = terms("SELECT product.id FROM product WHERE product.category_id BETWEEN %s AND %s");
  const auto taken = take(ranged);
  ASSERT_TRUE(taken);
  EXPECT_EQ(table_->marked(hint), 1U);
  const std::uint64_t clock = table_->clock();
  table_->mark(hint);
  EXPECT_EQ(table_->clock(), clock);
  bump(band_dependency("product", "category_id", 0, 5));
  EXPECT_FALSE(counts(*taken));
}

TEST_F(TakenTest, WithoutARuleItRestsOnWhatItAlwaysDoes) {
  Terms found = by_value();
  found.rule = nullptr;
  std::optional<Taken> taken = take(found);
  ASSERT_TRUE(taken && settle(*taken, {3, 4}));
  bump(row(4));
  EXPECT_TRUE(counts(*taken));
  bump(kAll);
  EXPECT_FALSE(counts(*taken));
}

}  // namespace
}  // namespace cache_me::testing
