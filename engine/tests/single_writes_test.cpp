// What a statement that is a commit of its own declares and bumps.
#include "cache_me/single_writes.hpp"

#include <gtest/gtest.h>

#include "one_parameter.hpp"
#include "version_table_fixture.hpp"

namespace cache_me::testing {
namespace {

constexpr Dependency kSchema = 7;
constexpr Dependency kOther = 8;

class SingleWritesTest : public VersionTableTest {
 protected:
  SingleWritesTest() : table_(open()) {
    TableFacts facts{"product", {}, {"id"}, {}};
    facts.columns = {{"id", ValueType::integer, 0, false}, {"name", ValueType::text, 0, false}};
    TableFactsByName tables;
    tables.emplace("product", std::make_shared<TableFacts>(std::move(facts)));
    const TokenStream stream =
        tokenize_sql("UPDATE product SET name = 'x' WHERE id = %s", Dialect::postgresql);
    rule_ = std::make_unique<WriteRule>(stream, scan_sql(stream).statements.front(), tables);
  }

  SingleWrites under(std::uint64_t version) const {
    return SingleWrites(table_, kSchema, version, "session", false);
  }
  std::optional<Intent> declare(const SingleWrites& writes) const {
    const Dependency others[] = {kOther};
    return writes.declare(*rule_, OneParameter(5), others);
  }
  static Dependency row() {
    const KnownValue key[] = {{ValueType::integer, 5, {}}};
    return row_dependency("product", key);
  }

  Table table_;
  std::unique_ptr<WriteRule> rule_;
};

TEST_F(SingleWritesTest, DeclaresTheRuleAndTheOthersAndBumpsThem) {
  const std::vector<std::uint64_t> before = fill(*table_, {row(), kOther});
  const SingleWrites writes = under(0);
  std::optional<Intent> intent = declare(writes);
  ASSERT_TRUE(intent);
  EXPECT_TRUE(carries(*table_, {row()}));
  EXPECT_TRUE(carries(*table_, {kOther}));
  EXPECT_FALSE(carries(*table_, {kSchema}));
  EXPECT_TRUE(writes.finish(std::move(*intent)));
  EXPECT_FALSE(carries(*table_, {row(), kOther}));
  EXPECT_FALSE(hits(*table_, {row()}, {before[0]}));
  EXPECT_FALSE(hits(*table_, {kOther}, {before[1]}));
}

TEST_F(SingleWritesTest, DeclaresNothingUnderAnotherSchema) {
  table_->bump(std::vector<Dependency>{kSchema});
  EXPECT_FALSE(declare(under(0)));
  EXPECT_TRUE(declare(under(fill(*table_, {kSchema})[0])));
}

TEST_F(SingleWritesTest, DeclaresNothingWhileTheSchemaIsChanged) {
  Intent ddl = VersionTableTest::declare(*table_, {kSchema});
  EXPECT_FALSE(declare(under(0)));
  EXPECT_FALSE(carries(*table_, {row()}));
  table_->finish(std::move(ddl));
}

TEST_F(SingleWritesTest, SaysThatTheSchemaChangedMeanwhile) {
  const SingleWrites writes = under(0);
  std::optional<Intent> intent = declare(writes);
  ASSERT_TRUE(intent);
  table_->bump(std::vector<Dependency>{kSchema});
  EXPECT_FALSE(writes.finish(std::move(*intent)));
}

TEST_F(SingleWritesTest, SaysThatTheSchemaIsBeingChanged) {
  const SingleWrites writes = under(0);
  std::optional<Intent> intent = declare(writes);
  ASSERT_TRUE(intent);
  Intent ddl = VersionTableTest::declare(*table_, {kSchema});
  EXPECT_FALSE(writes.finish(std::move(*intent)));
  table_->finish(std::move(ddl));
}

}  // namespace
}  // namespace cache_me::testing
