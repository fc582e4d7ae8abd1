// The rules by examples: what a read rests on and what a write bumps, in words.
#include "dependency_rules_fixture.hpp"

namespace cache_me::rules_in_words {
namespace {

TEST(ByKey, OnlyTheRowsAskedForMatter) {
  EXPECT_EQ(rests_on("SELECT p.id, p.name FROM p WHERE p.id = %s", {5_i}, {{5_i, "x"}}), "p.bulk p.pk=5");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id = 5", {}, {{5_i}}), "p.bulk p.pk=5");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE (p.id = %s AND p.price > %s)", {5_i, 1_i}, {{5_i}}),
            "p.bulk p.pk=5");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id IN (%s, %s) ORDER BY p.name LIMIT 9", {5_i, 6_i},
                     {{5_i}, {6_i}}),
            "p.bulk p.pk=5 p.pk=6");
}

TEST(ByKey, AMissingRowMayComeWithAnAutomaticKey) {
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id = %s", {5_i}), "p.bulk p.pk=5 p?id");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id IN (%s, %s)", {5_i, 6_i}, {{5_i}}),
            "p.bulk p.pk=5 p.pk=6 p?id");
  EXPECT_EQ(rests_on("SELECT COUNT(*) FROM p WHERE p.id = %s", {5_i}, {{1_i}}), "p.bulk p.pk=5 p?id");
  // Rows that come twice may hide one that is missing.
  EXPECT_EQ(rests_on("SELECT p.id FROM p INNER JOIN link ON (p.id = link.p) WHERE p.id IN (1, 2)", {},
                     {{1_i}, {1_i}}),
            "link.any p.bulk p.pk=1 p.pk=2 p?id");
}

TEST(ByKey, ACompositeKeyNeedsAllItsColumns) {
  EXPECT_EQ(rests_on("SELECT a, b FROM pair WHERE a = %s AND b = %s", {1_i, 2_i}, {{1_i, 2_i}}),
            "pair.bulk pair.pk=1,2");
  EXPECT_EQ(rests_on("SELECT a, b FROM pair WHERE a = %s", {1_i}, {{1_i, 2_i}}),
            "pair.a=1 pair.bulk pair.pk=1,2 pair?a pair~a");
}

TEST(ByKey, ValuesOfOtherTypesAreNotKnown) {
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id = %s", {"5"}, {{5_i}}), "p.any");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id = %(x)s", {5_i}, {{5_i}}), "p.any");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id = 5.0", {}, {{5_i}}), "p.any");
}

TEST(Pins, AreBoundedByAnd) {
  const std::string exact = "p.bulk p.pk=5";
  for (const char* sql : {"SELECT p.id FROM p WHERE ((p.id = 5) AND (p.c = 1 OR p.c = 2))",
                          "SELECT p.id FROM p WHERE p.c BETWEEN 1 AND 2 AND p.id = 5",
                          "SELECT p.id FROM p WHERE NOT p.c = 1 AND p.id = 5",
                          "SELECT p.id FROM p WHERE p.c IS DISTINCT FROM 1 AND p.id = 5"}) {
    EXPECT_EQ(rests_on(sql, {}, {{5_i}}), exact) << sql;
  }
  for (const char* sql : {
           "SELECT p.id FROM p WHERE p.id = 5 OR p.c = 1",
           "SELECT p.id FROM p WHERE p.c = 1 OR p.c = 2 AND p.id = 5",
           "SELECT p.id FROM p WHERE NOT p.id = 5",
           "SELECT p.id FROM p WHERE NOT (p.id = 5 AND p.price = 1)",
           "SELECT p.id FROM p WHERE p.price BETWEEN 1 AND p.id = 5",
           "SELECT p.id FROM p WHERE CASE WHEN p.price = 1 AND p.id = 5 AND p.price = 3 THEN true END",
           "SELECT p.id FROM p WHERE p.id = 5 + 1",
           "SELECT p.id FROM p WHERE p.id = 5 IS NOT NULL",
           "SELECT p.id FROM p WHERE - p.id = 5",
           "SELECT p.id FROM p WHERE p.id >= 5",
           "SELECT p.id FROM p WHERE p.id != 5",
           "SELECT p.id FROM p WHERE p.id NOT IN (5)",
           "SELECT p.id FROM p WHERE p.id IN (5, p.price)",
           "SELECT p.id FROM p GROUP BY p.id HAVING p.id = 5",
           "SELECT p.id FROM p ORDER BY p.id = 5",
       }) {
    EXPECT_EQ(rests_on(sql, {}, {{5_i}}), "p.any") << sql;
  }
}

TEST(Pins, MysqlsOtherOrs) {
  for (const char* sql : {"SELECT p.id FROM p WHERE p.c = 1 || p.c = 2 AND p.id = 5",
                          "SELECT p.id FROM p WHERE p.c = 1 XOR p.c = 2 AND p.id = 5"}) {
    EXPECT_EQ(rests_on(sql, {}, {{5_i}}, std::nullopt, Dialect::mysql), "p.any") << sql;
  }
}

// OFFSET and its like may be columns in SQLite: what is taken for a clause's end must be one.
TEST(Pins, WordsThatMayBeNames) {
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id = 5 AND offset = 1 OR p.c = 2", {}, {{5_i}}, std::nullopt,
                     Dialect::sqlite),
            "p.any");
}

TEST(ByValue, RowsValuesAndWhatPlacesThem) {
  EXPECT_EQ(rests_on("SELECT p.id, p.name FROM p WHERE p.c = %s", {3_i}, {{7_i, "x"}}),
            "p.bulk p.c=3 p.pk=7 p?c p~c");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.name = %s", {"x"}, {{7_i}}),
            "p.bulk p.name='x' p.pk=7 p?name p~name");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.made = %s", {"2024-01-02"}, {}),
            "p.bulk p.made=day 19724 p?made p~made");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c IN (%s, %s) AND p.price > %s", {3_i, 4_i, 1_i}, {}),
            "p.bulk p.c=3 p.c=4 p?c p~c p~price");
}

TEST(ByValue, TheOrderMattersWithALimit) {
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = 3 ORDER BY p.price", {}, {}), "p.bulk p.c=3 p?c p~c");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = 3 ORDER BY p.price LIMIT 5", {}, {}),
            "p.bulk p.c=3 p?c p~c p~price");
  EXPECT_EQ(rests_on("SELECT p.id, p.name AS n FROM p WHERE p.c = 3 ORDER BY n LIMIT 5", {}, {}),
            "p.bulk p.c=3 p?c p~c p~id p~name");
  EXPECT_EQ(rests_on("SELECT p.id, p.name FROM p WHERE p.c = 3 ORDER BY 2 LIMIT 5", {}, {}),
            "p.bulk p.c=3 p?c p~c p~id p~name");
  EXPECT_EQ(
      rests_on("SELECT DISTINCT ON (p.name) p.id FROM p WHERE p.c = 3 ORDER BY p.name, p.price", {}, {}),
      "p.bulk p.c=3 p?c p~c p~name p~price");
}

TEST(ByValue, UnqualifiedAndKeywordNames) {
  EXPECT_EQ(rests_on("SELECT id FROM p WHERE c = 3 AND price > 1", {}, {}), "p.bulk p.c=3 p?c p~c p~price");
  EXPECT_EQ(
      rests_on("SELECT id FROM p WHERE c = 3 AND EXISTS (SELECT 1 FROM c WHERE c.id = p.price)", {}, {}),
      "c.any p.bulk p.c=3 p?c p~c p~price");
}

TEST(ByValue, TooManyRowsAreTheTable) {
  std::vector<Row> rows;
  for (std::int64_t id = 0; id <= static_cast<std::int64_t>(kMostRows); ++id) rows.push_back({id});
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = 3", {}, rows), "p.any p.bulk p.c=3 p?c p~c");
}

TEST(ByWitness, WhatDoesNotCarryItsKeys) {
  const std::vector<Row> behind = {{7_i}, {8_i}};
  const std::string words = "p.bulk p.c=3 p.pk=7 p.pk=8 p?c p~c";
  EXPECT_EQ(rests_on("SELECT COUNT(*) AS n FROM p WHERE p.c = 3", {}, {{2_i}}, behind), words);
  EXPECT_EQ(rests_on("SELECT 1 AS a FROM p WHERE p.c = 3 LIMIT 1", {}, {{1_i}}, behind), words);
  EXPECT_EQ(rests_on("SELECT p.name FROM p WHERE p.c = 3", {}, {}, behind), words);
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = 3 LIMIT 5 OFFSET 5", {}, {}, behind), words);
  EXPECT_EQ(rests_on("SELECT SUM(p.price) FROM p WHERE p.c = 3", {}, {}, behind),
            "p.bulk p.c=3 p.pk=7 p.pk=8 p?c p~c p~price");
  EXPECT_EQ(rests_on("SELECT p.name, COUNT(*) FROM p WHERE p.c = 3 GROUP BY p.name", {}, {}, behind),
            "p.bulk p.c=3 p.pk=7 p.pk=8 p?c p~c p~name");
  EXPECT_EQ(rests_on("SELECT COUNT(*) FROM p", {}, {{2_i}}), "p.any");
}

TEST(ByWitness, ItsQueryIsTheConditionAlone) {
  const std::string_view sql =
      "SELECT COALESCE(p.name, %s) FROM p WHERE (p.c = %s AND p.price > %s) ORDER BY 1";
  const TokenStream stream = tokenize_sql(sql, Dialect::postgresql);
  const Script script = scan_sql(stream);
  const ReadRule rule(stream, script.statements[0], tables());
  EXPECT_EQ(rule.witness_sql(), "SELECT \"id\" FROM p WHERE (p.c = %s AND p.price > %s) LIMIT 401");
  EXPECT_EQ(rule.first_witness_parameter(), 1U);
  EXPECT_EQ(rule.last_witness_parameter(), 3U);
}

TEST(JoinedByKey, OnlyTheRowsThatCameAlong) {
  EXPECT_EQ(rests_on("SELECT p.id, p.c, c.id, c.name FROM p INNER JOIN c ON (p.c = c.id) WHERE p.id = 1", {},
                     {{1_i, 3_i, 3_i, "x"}}),
            "c.bulk c.pk=3 p.bulk p.pk=1");
  EXPECT_EQ(rests_on("SELECT p.id, c.name FROM p LEFT OUTER JOIN c ON (p.c = c.id) WHERE p.id = 1", {}, {}),
            "c.any p.bulk p.pk=1 p?id");
  EXPECT_EQ(rests_on("SELECT p.id, p.c, c.name FROM p LEFT OUTER JOIN c ON (p.c = c.id) WHERE p.id = 1", {},
                     {{1_i, {}, {}}}),
            "c.bulk p.bulk p.pk=1");
}

TEST(JoinedByKey, AnInnerJoinNeedsAnEnforcedKey) {
  EXPECT_EQ(
      rests_on("SELECT c.id, c.parent, d.name FROM c INNER JOIN c d ON (c.parent = d.id) WHERE c.id = 1", {},
               {{1_i, 2_i, "x"}}),
      "c.any c.bulk c.pk=1");
  EXPECT_EQ(rests_on("SELECT c.id, c.parent, d.id FROM c LEFT JOIN c d ON (c.parent = d.id) WHERE c.id = 1",
                     {}, {{1_i, 2_i, 2_i}}),
            "c.bulk c.bulk c.pk=1 c.pk=2");
  // It points at a row that isn't there.
  EXPECT_EQ(rests_on("SELECT c.id, c.parent, d.id FROM c LEFT JOIN c d ON (c.parent = d.id) WHERE c.id = 1",
                     {}, {{1_i, 2_i, {}}}),
            "c.any c.bulk c.bulk c.pk=1");
}

TEST(JoinedByKey, ColumnsThatDecideMakeItTheTable) {
  EXPECT_EQ(rests_on("SELECT p.id, p.c FROM p INNER JOIN c ON (p.c = c.id) WHERE c.name = 'x' AND p.id = 1",
                     {}, {{1_i, 3_i}}),
            "c.any p.bulk p.pk=1");
  EXPECT_EQ(rests_on("SELECT p.id, p.c FROM p INNER JOIN c ON (p.c = c.id) WHERE p.id IN (1) ORDER BY c.name",
                     {}, {{1_i, 3_i}}),
            "c.bulk c.pk=3 p.bulk p.pk=1");
  EXPECT_EQ(rests_on("SELECT p.id, p.c FROM p INNER JOIN c ON (p.c = c.id) WHERE p.id IN (1) ORDER BY c.name"
                     " LIMIT 1",
                     {}, {{1_i, 3_i}}),
            "c.any p.bulk p.pk=1");
  // Its key is the row's own column, and so is an order by it.
  EXPECT_EQ(rests_on("SELECT p.id, p.c FROM p INNER JOIN c ON (p.c = c.id) WHERE p.id IN (1) ORDER BY c.id"
                     " LIMIT 1",
                     {}, {{1_i, 3_i}}),
            "c.bulk c.pk=3 p.bulk p.pk=1");
  for (const char* order : {"p.id", "p.id ASC", "p.id DESC", "(p.id) desc"}) {
    const std::string sql = "SELECT p.id FROM p INNER JOIN link l ON (p.id = l.p) WHERE l.tag = 5 ORDER BY ";
    EXPECT_EQ(rests_on(sql + order + " LIMIT 2", {}, {{7_i}}), "link.any p.bulk p.pk=7") << order;
  }
  for (const char* order : {"p.id, asc", "desc", "p.id + asc", "p.id, p.desc ASC", "p.id GLOB desc"}) {
    const std::string sql = "SELECT p.id FROM p INNER JOIN link l ON (p.id = l.p) WHERE l.tag = 5 ORDER BY ";
    EXPECT_EQ(rests_on(sql + order + " LIMIT 2", {}, {{7_i}}, std::nullopt, Dialect::sqlite),
              "link.any p.any")
        << order;
  }
  EXPECT_EQ(rests_on("SELECT p.id FROM p INNER JOIN link l ON (p.id = l.p) WHERE l.tag = 5 ORDER BY p.name"
                     " LIMIT 2",
                     {}, {{7_i}}),
            "link.any p.any");
  EXPECT_EQ(
      rests_on("SELECT p.id, p.c, c.id FROM p LEFT JOIN c ON (p.c = c.id) WHERE p.id IN (1) ORDER BY c.id"
               " LIMIT 1",
               {}, {{1_i, 3_i, 3_i}}),
      "c.any p.bulk p.pk=1");
  // An inner join behind it drops rows by its own column.
  EXPECT_EQ(
      rests_on("SELECT p.id, p.c FROM p INNER JOIN c ON (p.c = c.id) INNER JOIN c d ON (c.parent = d.id)"
               " WHERE p.id = 1",
               {}, {{1_i, 3_i}}),
      "c.any c.any p.bulk p.pk=1");
}

TEST(JoinedByKey, FromTheOtherSideOfAnInnerJoin) {
  EXPECT_EQ(rests_on("SELECT p.id, p.name FROM p INNER JOIN link ON (p.id = link.p) WHERE link.tag = %s",
                     {5_i}, {{7_i, "x"}}),
            "link.any p.bulk p.pk=7");
}

TEST(AnyOtherRead, IsItsTables) {
  for (const char* sql : {
           "SELECT p.id FROM p",
           "SELECT p.id FROM p WHERE p.price = 1",
           "WITH x AS (SELECT 1) SELECT p.id FROM p WHERE p.id = 1",
           "SELECT p.id FROM p WHERE p.id = 1 UNION SELECT p.id FROM p WHERE p.id = 2",
           "SELECT p.id FROM p RIGHT JOIN p q ON (p.id = q.id) WHERE p.id = 1",
           "SELECT p.id FROM p WHERE p.id = 1 AND p IS NOT NULL",
           "SELECT p.id FROM p WHERE p.id = 1 AND p.ctid IS NOT NULL",
           "SELECT x.id FROM (SELECT id FROM p WHERE id = 1) x WHERE x.id = 1",
       }) {
    EXPECT_EQ(rests_on(sql).find("p.pk"), std::string::npos) << sql;
    EXPECT_NE(rests_on(sql).find("p.any"), std::string::npos) << sql;
  }
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.id = 1 AND p.c IN (SELECT q.c FROM p q)", {}, {{1_i}}),
            "p.any");
  EXPECT_EQ(rests_on("SELECT x.id FROM p x WHERE x.id = 1 AND x.c IN (SELECT q.c FROM p q)", {}, {{1_i}}),
            "p.any");
  EXPECT_EQ(rests_on("SELECT x.id FROM p x WHERE x.id = 1 AND x.c IN p", {}, {{1_i}}, std::nullopt,
                     Dialect::sqlite),
            "p.any");
  EXPECT_EQ(rests_on("SELECT z.id FROM z WHERE z.id = 1"), "z.any");
}

TEST(Insert, NewRowsByKeyAndValues) {
  EXPECT_EQ(
      bumps("INSERT INTO p (id, c, name, price) VALUES (%s, %s, %s, %s) RETURNING id", {9_i, 3_i, "x", 1_i}),
      "p.any p.c=3 p.name='x' p.pk=9 p?made p?total");
  EXPECT_EQ(bumps("INSERT INTO p (c, name) VALUES (%s, %s), (%s, NULL)", {3_i, "x", 4_i}),
            "p.any p.c=3 p.c=4 p.name='x' p?id p?id p?made p?made p?total p?total");
  EXPECT_EQ(bumps("INSERT INTO p DEFAULT VALUES"), "p.any p?c p?id p?made p?name p?total");
  EXPECT_EQ(bumps("INSERT INTO pair (a, b, x) VALUES (1, 2, 3)"),
            "pair.a=1 pair.any pair.b=2 pair.pk=1,2 pair.x=3");
  EXPECT_EQ(bumps("INSERT INTO pair (a, x) VALUES (1, 3)"), "pair.a=1 pair.any pair.x=3 pair?b pair?b");
}

TEST(Insert, NullIsNoValueOfAPivotButMakesAKey) {
  EXPECT_EQ(bumps("INSERT INTO p (id, c, name, made) VALUES (%s, %s, NULL, %s)", {{}, {}, {}}),
            "p.any p?id p?total");
  EXPECT_EQ(bumps("INSERT INTO p (id, c) VALUES (1, %s)", {Value{}}, Dialect::mysql, false),
            "p.any p?c p?id p?made p?name p?total");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = NULL"), "p.any");
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = %s", {Value{}}), "p.any");
}

TEST(Insert, WhatIsNotKnownOrDoesNotFit) {
  EXPECT_EQ(bumps("INSERT INTO p (c, name) VALUES (%s, %s)", {"3", "longer"}),
            "p.any p?c p?id p?made p?name p?total");
  EXPECT_EQ(bumps("INSERT INTO p (id, c) VALUES (0, 3)", {}, Dialect::mysql),
            "p.any p.c=3 p?id p?made p?name p?total");
  EXPECT_EQ(bumps("INSERT INTO p (id, c) VALUES (7, 3)", {}, Dialect::mysql, false),
            "p.any p?c p?id p?made p?name p?total");
}

TEST(Insert, AllOtherFormsAreBulk) {
  for (const char* sql : {
           "INSERT INTO p (id, c) SELECT id, c FROM p",
           "INSERT INTO p (id, c) VALUES (1, 2) ON CONFLICT DO NOTHING",
           "INSERT INTO p VALUES (1, 2)",
           "INSERT INTO p (id, unheard_of) VALUES (1, 2)",
           "INSERT INTO p (id, id) VALUES (1, 2)",
           "INSERT INTO p (id, c) VALUES (1)",
           "INSERT INTO p (id) OVERRIDING USER VALUE VALUES (1)",
           "WITH x AS (SELECT 1) INSERT INTO p (id) VALUES (1)",
       }) {
    EXPECT_EQ(bumps(sql), "p.any p.bulk") << sql;
  }
  EXPECT_EQ(bumps("INSERT OR REPLACE INTO p (id) VALUES (1)", {}, Dialect::sqlite), "p.any p.bulk");
  EXPECT_EQ(bumps("INSERT INTO p (rowid, c) VALUES (1, 2)", {}, Dialect::sqlite), "p.any p.bulk");
  EXPECT_EQ(bumps("REPLACE INTO p (id) VALUES (1)", {}, Dialect::mysql), "p.any p.bulk");
}

TEST(Update, InPartSetsColumns) {
  EXPECT_EQ(bumps("UPDATE p SET price = %s WHERE p.id = %s", {1_i, 5_i}), "p.any p.pk=5 p~price p~total");
  EXPECT_EQ(bumps("UPDATE p SET c = c + 1 WHERE id IN (%s, %s) AND c = 2", {5_i, 6_i}),
            "p.any p.pk=5 p.pk=6 p~c p~total");
}

TEST(Update, AsAWholeIsAnotherRow) {
  EXPECT_EQ(bumps("UPDATE p SET c = %s, name = %s, price = %s, made = %s WHERE p.id = %s",
                  {3_i, "x", 1_i, "2024-01-02", 5_i}),
            "p.any p.c=3 p.made=day 19724 p.name='x' p.pk=5 p?total");
  EXPECT_EQ(bumps("UPDATE pair SET x = 1 WHERE a = 1 AND b = 2"),
            "pair.any pair.pk=1,2 pair.x=1 pair?a pair?b");
}

TEST(Update, AllOtherFormsAreBulk) {
  for (const char* sql : {
           "UPDATE p SET c = 1",
           "UPDATE p SET c = 1 WHERE c = 2",
           "UPDATE p SET id = 6 WHERE id = 5",
           "UPDATE p SET c = 1 WHERE id = 5 OR c = 2",
           "UPDATE p SET c = 1 FROM c WHERE p.id = 5 AND p.c = c.id",
           "UPDATE p SET (c, name) = (1, 'x') WHERE id = 5",
           "UPDATE p SET c = 1 WHERE id = 5.0",
       }) {
    EXPECT_EQ(bumps(sql), "p.any p.bulk") << sql;
  }
}

// SQLite has tables with an empty name.
TEST(Writes, ATableWithAnEmptyNameIsWrittenToo) {
  EXPECT_EQ(bumps("DELETE FROM `` WHERE x = 1", {}, Dialect::sqlite), ".any .bulk");
}

TEST(Update, OfPartOfACompositeKeyIsBulk) {
  EXPECT_EQ(bumps("UPDATE pair SET x = 1 WHERE a = 1"), "pair.any pair.bulk");
}

TEST(Delete, RowsByKey) {
  EXPECT_EQ(bumps("DELETE FROM p WHERE p.id = %s RETURNING p.id", {5_i}), "p.any p.pk=5");
  EXPECT_EQ(bumps("DELETE FROM p WHERE p.id = %s AND p.c IS NULL RETURNING p.id", {5_i}), "p.any p.pk=5");
  EXPECT_EQ(bumps("DELETE FROM p WHERE p.id IN (%s, %s)", {5_i, 6_i}), "p.any p.pk=5 p.pk=6");
  EXPECT_EQ(bumps("DELETE FROM p WHERE p.c = %s", {5_i}), "p.any p.bulk");
  EXPECT_EQ(bumps("DELETE FROM p"), "p.any p.bulk");
  EXPECT_EQ(bumps("DELETE FROM p USING c WHERE p.id = 5"), "p.any p.bulk");
  std::string many = "DELETE FROM p WHERE id IN (0";
  for (int id = 1; id <= 40; ++id) many.append(", ").append(std::to_string(id));
  EXPECT_EQ(bumps(many + ")"), "p.any p.bulk");
}

// Words that are keywords elsewhere, and names behind a dot.
TEST(Pins, KeywordsBehindADotAreNames) {
  for (const Dialect dialect : {Dialect::postgresql, Dialect::mysql, Dialect::sqlite}) {
    for (const char* sql : {"SELECT p.id FROM p WHERE p.id = 5 AND p.limit = 1 OR p.c = 2",
                            "SELECT p.id FROM p WHERE p.id = 5 AND p.order = 1 OR p.c = 2",
                            "SELECT p.id FROM p WHERE p.c BETWEEN 1 AND p.between AND p.id = 5 OR p.c = 2"}) {
      const TokenStream stream = tokenize_sql(sql, dialect);
      const Script script = scan_sql(stream);
      if (!script.statements[0].readable) continue;
      EXPECT_EQ(rests_on(sql, {}, {{5_i}}, std::nullopt, dialect), "p.any") << sql;
    }
    for (const char* sql : {"UPDATE p SET c = 1 WHERE id = 5 AND p.returning = 1 OR c = 2",
                            "UPDATE p SET c = 1 WHERE id = 5 AND returning = 1 OR c = 2",
                            "DELETE FROM p WHERE id = 5 AND returning = 1 OR c = 2",
                            "DELETE FROM p WHERE id = 5 AND p.returning OR c = 2"}) {
      EXPECT_NE(bumps(sql, {}, dialect).find("p.bulk"), std::string::npos) << sql;
    }
  }
}

// The second select's condition says nothing of the first's rows.
TEST(AnyOtherRead, ASetOperationBehindAJoin) {
  for (const char* word : {"UNION", "UNION ALL", "EXCEPT", "INTERSECT"}) {
    const std::string sql = std::string("SELECT p.id FROM p INNER JOIN c ON (p.c = c.id) ") + word +
                            " SELECT p.id FROM public.p WHERE p.id = 5";
    EXPECT_EQ(rests_on(sql, {}, {{5_i}}).find("p.pk"), std::string::npos) << sql;
    EXPECT_NE(rests_on(sql, {}, {{5_i}}).find("p.any"), std::string::npos) << sql;
  }
}

// A row that is hidden by a condition or an order of what LEFT JOIN brings along comes to light when it is
// joined to another row.
TEST(ByValue, WhatDecidesByALeftJoin) {
  EXPECT_EQ(
      rests_on("SELECT p.id, c.name FROM p LEFT OUTER JOIN c ON (p.c = c.id) WHERE p.name = 'x'", {}, {}),
      "c.any p.bulk p.name='x' p?name p~name");
  EXPECT_EQ(rests_on("SELECT p.id FROM p LEFT OUTER JOIN c ON (p.c = c.id) WHERE p.name = 'x'"
                     " AND (c.name = 'y' OR p.price = 1)",
                     {}, {}),
            "c.any p.bulk p.name='x' p?name p~c p~name p~price");
  EXPECT_EQ(rests_on("SELECT p.id FROM p LEFT OUTER JOIN c ON (p.c = c.id) WHERE p.name = 'x'"
                     " ORDER BY c.name LIMIT 5",
                     {}, {}),
            "c.any p.bulk p.name='x' p?name p~c p~name");
  EXPECT_EQ(rests_on("SELECT p.id, c.name AS n FROM p LEFT OUTER JOIN c ON (p.c = c.id) WHERE p.name = 'x'"
                     " ORDER BY n LIMIT 5",
                     {}, {}),
            "c.any p.bulk p.name='x' p?name p~c p~id p~name");
  EXPECT_EQ(rests_on("SELECT p.id FROM p LEFT OUTER JOIN c ON (p.c = c.id) LEFT OUTER JOIN c d"
                     " ON (c.parent = d.id) WHERE p.name = 'x' AND d.name IS NULL",
                     {}, {}),
            "c.any c.any p.bulk p.name='x' p?name p~c p~name");
}

TEST(JoinedByKey, WhatDecidesBehindALeftJoin) {
  // Which row of d is seen is decided by c.parent, also of rows of c that aren't in the result.
  EXPECT_EQ(rests_on("SELECT p.id, p.c, c.id FROM p LEFT OUTER JOIN c ON (p.c = c.id) LEFT OUTER JOIN c d"
                     " ON (c.parent = d.id) WHERE p.name = 'x' AND d.name IS NULL",
                     {}, {}),
            "c.any c.any p.bulk p.name='x' p?name p~c p~name");
  // A row of c that isn't there yet makes the inner join drop the row.
  EXPECT_EQ(rests_on("SELECT c.id, c.parent, d.id FROM c LEFT JOIN c d ON (c.parent = d.id)"
                     " INNER JOIN p ON (d.id = p.c) WHERE c.name = 'x'",
                     {}, {}),
            "c.any c.bulk c.name='x' c?name c~name c~parent p.any");
}

TEST(ByValue, PositionsInOtherClothes) {
  const std::string all = "p.bulk p.c=3 p?c p~c p~id p~name";
  for (const char* sql : {"SELECT p.id, p.name FROM p WHERE p.c = 3 ORDER BY (2) LIMIT 5",
                          "SELECT p.id, p.name FROM p WHERE p.c = 3 ORDER BY +2 LIMIT 5",
                          "SELECT p.id, p.name FROM p WHERE p.c = 3 ORDER BY %s LIMIT 5",
                          "SELECT p.id, p.name AS 'n' FROM p WHERE p.c = 3 ORDER BY n LIMIT 5"}) {
    EXPECT_EQ(rests_on(sql, {2_i}, {}, std::nullopt, Dialect::sqlite), all) << sql;
  }
  EXPECT_EQ(rests_on("SELECT DISTINCT ON (2) p.id, p.name FROM p WHERE p.c = 3", {}, {}), all);
}

TEST(ByKey, RowsOfOneRow) {
  // As many rows as keys, but both of one row.
  EXPECT_EQ(rests_on("SELECT p.id FROM p LEFT JOIN c ON (c.id = c.parent) WHERE p.id IN (1, 2)", {},
                     {{1_i}, {1_i}}),
            "c.any p.bulk p.pk=1 p.pk=2 p?id");
}

// Where the database makes the key of other columns, setting these moves the row.
TEST(Update, OfWhatAComputedKeyIsMadeOf) {
  TableFacts made;
  made.name = "made";
  made.columns = {{"id", ValueType::integer, 0, true}, {"base", ValueType::integer, 0, false}};
  made.primary_key = {"id"};
  TableFactsByName all;
  all["made"] = std::make_shared<const TableFacts>(made);
  const TokenStream stream = tokenize_sql("UPDATE made SET base = 2 WHERE id = 1", Dialect::postgresql);
  const Script script = scan_sql(stream);
  const WriteRule rule(stream, script.statements[0], all);
  EXPECT_FALSE(rule.is_exact());
}

TEST(ByValue, NamesThatTheCatalogDoesNotKnow) {
  // PostgreSQL: the function f of the row; MySQL: another case of a letter, a name that is cut.
  EXPECT_EQ(rests_on("SELECT p.id FROM p WHERE p.c = 3 AND p.f = 1", {}, {}), "p.any");
  EXPECT_EQ(
      rests_on("SELECT p.id FROM p WHERE p.c = 3 AND \xC3\x89 = 1", {}, {}, std::nullopt, Dialect::mysql),
      "p.any");
}

TEST(Dates, AreReadAsTheyAreWritten) {
  std::int64_t days = -1;
  EXPECT_TRUE(days_of_date("1970-01-01", days));
  EXPECT_EQ(days, 0);
  EXPECT_TRUE(days_of_date("2000-03-01", days));
  EXPECT_EQ(days, 11017);
  for (const char* text : {"1970-1-1", "1970-13-01", "0000-01-01", "1970-01-01 ", "1970/01/01", "now",
                           "2023-02-29", "2023-02-31", "1900-02-29", "2024-04-31", "2024-01-00"}) {
    EXPECT_FALSE(days_of_date(text, days)) << text;
  }
  for (const char* text : {"2024-02-29", "2000-02-29", "2023-12-31"})
    EXPECT_TRUE(days_of_date(text, days)) << text;
}

}  // namespace
}  // namespace cache_me::rules_in_words
