#include "cache_me/sql_scanner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace cache_me {
namespace {

constexpr Dialect kSqlite = Dialect::sqlite;
constexpr Dialect kPostgresql = Dialect::postgresql;
constexpr Dialect kMysql = Dialect::mysql;
constexpr Dialect kAll[] = {kSqlite, kPostgresql, kMysql};

// "schema.name name …", in the order of the names, as one word list that is easy to write down.
std::string listed(const std::vector<TableName>& tables) {
  std::vector<std::string> names;
  for (const TableName& table : tables) {
    names.push_back(table.schema.empty() ? table.name : table.schema + "." + table.name);
  }
  std::sort(names.begin(), names.end());
  std::string result;
  for (const std::string& name : names) result += (result.empty() ? "" : " ") + name;
  return result;
}

Statement scan_one(std::string_view sql, Dialect dialect) {
  const Script script = scan_sql(sql, dialect);
  EXPECT_EQ(script.statements.size(), 1U) << sql;
  return script.statements.empty() ? Statement{} : script.statements.front();
}

void expect_readable(Dialect dialect, std::string_view reads, std::string_view sql) {
  const Statement statement = scan_one(sql, dialect);
  EXPECT_TRUE(statement.readable) << sql << "\n  " << statement.reason << ": " << statement.detail;
  EXPECT_EQ(statement.kind, StatementKind::select) << sql;
  EXPECT_EQ(listed(statement.reads), reads) << sql;
  EXPECT_EQ(listed(statement.writes), "") << sql;
  EXPECT_TRUE(statement.functions.empty()) << sql;
}

// A select that must not be cached, but writes nothing that the scanner knows of.
void expect_unreadable(Dialect dialect, std::string_view reason, std::string_view sql) {
  const Statement statement = scan_one(sql, dialect);
  EXPECT_FALSE(statement.readable) << sql;
  EXPECT_EQ(statement.reason, reason) << sql << "\n  " << statement.detail;
  EXPECT_EQ(name_of(statement.kind), std::string("select")) << sql << "\n  " << statement.detail;
}

void expect_unknown(Dialect dialect, std::string_view reason, std::string_view sql) {
  const Script script = scan_sql(sql, dialect);
  ASSERT_EQ(script.statements.size(), 1U) << sql;
  const Statement& statement = script.statements.front();
  EXPECT_EQ(name_of(statement.kind), std::string("unknown")) << sql;
  EXPECT_EQ(statement.reason, reason) << sql << "\n  " << statement.detail;
  EXPECT_FALSE(statement.readable) << sql;
}

void expect_write(Dialect dialect, std::string_view kind, std::string_view writes, std::string_view reads,
                  std::string_view sql) {
  const Statement statement = scan_one(sql, dialect);
  EXPECT_EQ(name_of(statement.kind), kind) << sql << "\n  " << statement.reason << ": " << statement.detail;
  EXPECT_EQ(listed(statement.writes), writes) << sql;
  EXPECT_EQ(listed(statement.reads), reads) << sql;
  EXPECT_FALSE(statement.readable) << sql;
}

void expect_kind(Dialect dialect, std::string_view kind, std::string_view sql) {
  const Statement statement = scan_one(sql, dialect);
  EXPECT_EQ(name_of(statement.kind), kind) << sql << "\n  " << statement.reason << ": " << statement.detail;
  EXPECT_FALSE(statement.readable) << sql;
}

TEST(ScannerReads, EveryPlaceThatNamesATable) {
  for (const Dialect dialect : kAll) {
    expect_readable(dialect, "a", "SELECT * FROM a");
    expect_readable(dialect, "a", "select x from A as t where x = %s");
    expect_readable(dialect, "a b c", "SELECT 1 FROM a, b t, c AS u");
    expect_readable(dialect, "a b c d",
                    "SELECT 1 FROM a JOIN b ON (a.x = b.x) LEFT OUTER JOIN c USING (y) CROSS JOIN d");
    expect_readable(dialect, "a b c", "SELECT 1 FROM (a JOIN b ON a.x = b.x) INNER JOIN c ON b.x = c.x");
    expect_readable(dialect, "a b", "SELECT (SELECT MAX(y) FROM b WHERE b.a = a.id) FROM a");
    expect_readable(dialect, "a b", "SELECT 1 FROM a WHERE x IN (SELECT y FROM b)");
    expect_readable(dialect, "a b", "SELECT 1 FROM a WHERE NOT (EXISTS(SELECT 1 AS z FROM b LIMIT 1))");
    expect_readable(dialect, "a b", "SELECT 1 FROM a ORDER BY (SELECT 1 FROM b)");
    expect_readable(dialect, "a b", "SELECT 1 FROM a GROUP BY x HAVING COUNT(*) > (SELECT 1 FROM b)");
    expect_readable(dialect, "a b", "SELECT 1 FROM (SELECT * FROM a) t, (SELECT 1 FROM b) AS u");
    expect_readable(dialect, "a b c",
                    "SELECT x FROM a UNION SELECT x FROM b UNION ALL SELECT x FROM c ORDER BY 1");
    expect_readable(dialect, "a b c", "SELECT x FROM a EXCEPT SELECT x FROM b INTERSECT SELECT x FROM c");
    expect_readable(dialect, "a b", "(SELECT x FROM a) UNION (SELECT x FROM b) LIMIT 3");
    expect_readable(dialect, "a b", "SELECT 1 FROM ((SELECT x FROM a) UNION (SELECT x FROM b)) t");
    expect_readable(dialect, "a b", "SELECT 1 WHERE 1 IN ((SELECT x FROM a) UNION (SELECT x FROM b))");
    expect_readable(
        dialect, "a b c",
        "SELECT CASE WHEN x > 1 THEN (SELECT 1 FROM b) ELSE 0 END FROM a JOIN c ON CASE WHEN 1 THEN 1 END");
    expect_readable(dialect, "s.a s.b", "SELECT s.a.x FROM s.a NATURAL JOIN S.B");
    expect_readable(dialect, "a b", "SELECT 1 FROM a WHERE ((SELECT 1) + 2) > (SELECT x FROM b)");
    expect_readable(dialect, "", "SELECT 1");
    expect_readable(dialect, "a", "SELECT 1 FROM a;");
    expect_readable(dialect, "a", "SELECT a.x FROM a /* FROM b */ -- , c");
  }
}

TEST(ScannerReads, CtesHideTablesOnlyInTheirScope) {
  for (const Dialect dialect : kAll) {
    expect_readable(dialect, "a", "WITH c AS (SELECT * FROM a) SELECT * FROM c");
    expect_readable(dialect, "a b",
                    "WITH c AS (SELECT * FROM a), d AS (SELECT * FROM c) SELECT * FROM d, b, c");
    expect_readable(dialect, "a",
                    "WITH RECURSIVE c(x) AS (SELECT x FROM a UNION ALL SELECT x FROM c) SELECT 1 FROM c");
    expect_readable(dialect, "a c", "SELECT 1 FROM (WITH c AS (SELECT * FROM a) SELECT * FROM c) t, c");
    expect_readable(dialect, "a main.c", "WITH c AS (SELECT * FROM a) SELECT * FROM main.c");
    expect_readable(dialect, "a", "WITH c AS (SELECT * FROM a) SELECT 1 WHERE 1 IN (SELECT x FROM c)");
  }
  expect_readable(kPostgresql, "t", "WITH t AS (SELECT * FROM t) SELECT * FROM t");
  expect_readable(kPostgresql, "b", "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b");
  expect_unreadable(kSqlite, "cte_scope", "WITH t AS (SELECT * FROM t) SELECT * FROM t");
  expect_unreadable(kSqlite, "cte_scope", "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a");
  expect_unreadable(kMysql, "cte_scope", "WITH T AS (SELECT 1) SELECT * FROM t");
  EXPECT_EQ(listed(scan_one("WITH T AS (SELECT 1) SELECT * FROM t", kMysql).reads), "t");
  expect_readable(kPostgresql, "T", "WITH t AS (SELECT 1) SELECT * FROM \"T\"");
  expect_readable(kPostgresql, "",
                  "WITH t AS MATERIALIZED (SELECT 1), u AS NOT MATERIALIZED (SELECT 2) SELECT * FROM t, u");
}

TEST(ScannerReads, WhatDialectsAddToFrom) {
  expect_readable(kSqlite, "a b", "SELECT 1 FROM a INDEXED BY i JOIN b NOT INDEXED ON 1");
  expect_readable(kSqlite, "a b", "SELECT 1 FROM a WHERE x IN b");
  expect_readable(kSqlite, "a b c d", "SELECT 1 FROM [a], `b`, \"c\" left join D");
  expect_readable(kSqlite, "t u", "SELECT 1 FROM t offset, u");
  expect_readable(kSqlite, "t u", "SELECT 1 FROM t window, u");
  expect_readable(kPostgresql, "A b", "SELECT 1 FROM ONLY \"A\" x, ONLY (B) y");
  expect_readable(kPostgresql, "a b", "SELECT 1 FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x) q(x, y)");
  expect_readable(kPostgresql, "a", "SELECT 1 FROM a *, (VALUES (1, 2), (3, 4)) AS v(p, q)");
  expect_readable(kPostgresql, "b", "SELECT a AS from, 1 AS current_user FROM b");
  expect_readable(kMysql, "a b",
                  "SELECT 1 FROM a USE INDEX (i) IGNORE INDEX FOR JOIN (j) STRAIGHT_JOIN b PARTITION (p)");
  expect_readable(kMysql, "t u", "SELECT 1 FROM t full, u");
  expect_unreadable(kPostgresql, "table_function", "SELECT 1 FROM a, generate_series(1, 3) AS g(x)");
  expect_unreadable(kSqlite, "table_function", "SELECT 1 FROM a, json_each(a.x)");
  expect_unreadable(kPostgresql, "table_sample", "SELECT 1 FROM a TABLESAMPLE bernoulli (1) REPEATABLE (2)");
  expect_unreadable(kSqlite, "unknown_from_item", "SELECT 1 FROM 'a'");
  expect_unreadable(kMysql, "unknown_from_item", "SELECT 1 FROM \"a\"");
  expect_unreadable(kPostgresql, "unknown_from_item", "SELECT 1 FROM x.y.z");
  expect_unreadable(kPostgresql, "unknown_from_item", "SELECT 1 FROM %s");
  expect_unreadable(kSqlite, "temporary_table", "SELECT 1 FROM temp.a");
  expect_unreadable(kPostgresql, "temporary_table", "SELECT 1 FROM pg_temp_3.a");
}

TEST(ScannerReads, FunctionsDecideWhetherTheAnswerRestsOnTheTables) {
  for (const Dialect dialect : kAll) {
    expect_readable(dialect, "a", "SELECT COUNT(*), LOWER(x), COALESCE(SUM(y), 0) FROM a GROUP BY x");
    expect_readable(dialect, "a",
                    "SELECT ROW_NUMBER() OVER (PARTITION BY x ORDER BY y DESC), SUM(z) OVER w FROM a "
                    "WINDOW w AS (PARTITION BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)");
    expect_readable(dialect, "a", "SELECT CAST(x AS numeric(10, 2)), lower FROM a WHERE now = %s");
    expect_readable(dialect, "a", "SELECT x AS random, t.current_user, t.now FROM a t");
    expect_unreadable(dialect, "volatile_function", "SELECT CURRENT_TIMESTAMP");
    expect_unreadable(dialect, "volatile_function", "SELECT 1 FROM a WHERE d < current_date");
    expect_unreadable(dialect, "unknown_function", "SELECT my_function(x) FROM a");
    EXPECT_EQ(scan_one("SELECT My_Function(f2(x)) FROM a", dialect).functions,
              (std::vector<std::string>{"my_function", "f2"}));
  }
  for (const char* sql : {"SELECT * FROM a ORDER BY RANDOM()", "SELECT \"random\"()", "SELECT random /**/ ()",
                          "SELECT (SELECT abs(random()))", "SELECT uuidv4()"}) {
    expect_unreadable(kSqlite, "volatile_function", sql);
    expect_unreadable(kPostgresql, "volatile_function", sql);
  }
  expect_unreadable(kMysql, "volatile_function", "SELECT * FROM a ORDER BY RAND() LIMIT 1");
  expect_unreadable(kMysql, "volatile_function", "SELECT UNIX_TIMESTAMP()");
  expect_readable(kMysql, "a", "SELECT UNIX_TIMESTAMP(x) FROM a");
  expect_unreadable(kPostgresql, "volatile_function", "SELECT age(x) FROM a");
  expect_readable(kPostgresql, "a", "SELECT age(x, y) FROM a");
  expect_unreadable(kPostgresql, "session_function", "SELECT user FROM a");
  expect_unreadable(kPostgresql, "session_function", "SELECT current_setting('x')");
  expect_unreadable(kMysql, "session_function", "SELECT LAST_INSERT_ID()");
  expect_unreadable(kSqlite, "session_function", "SELECT changes()");
  expect_unreadable(kPostgresql, "unknown_function", "SELECT public.lower(x) FROM a");
  EXPECT_EQ(scan_one("SELECT Public.Lower(x) FROM a", kPostgresql).functions,
            std::vector<std::string>{"public.lower"});
  expect_readable(kPostgresql, "a", "SELECT pg_catalog.lower(x) FROM a");
  expect_unreadable(kPostgresql, "unknown_function", "SELECT a OPERATOR(public.+) b FROM c");
  expect_unreadable(kSqlite, "unknown_function", "SELECT over(1) FROM a");
  expect_unreadable(kMysql, "user_variable", "SELECT @x := @x + 1 FROM a");
  expect_unreadable(kMysql, "user_variable", "SELECT @@session.sql_mode");
  expect_unreadable(kMysql, "found_rows", "SELECT SQL_CALC_FOUND_ROWS * FROM a");
}

TEST(ScannerReads, SideEffectsAreTold) {
  for (const char* sql :
       {"SELECT nextval('s')", "SELECT pg_advisory_lock(1)", "SELECT setval('s', 1)",
        "SELECT 1 FROM a WHERE lo_unlink(x) = 1", "SELECT dblink_exec('x')", "SELECT pg_notify('a', 'b')",
        "SELECT query_to_xml('x', true, true, '')", "EXPLAIN ANALYZE SELECT nextval('s')"}) {
    EXPECT_TRUE(scan_one(sql, kPostgresql).may_have_side_effects) << sql;
  }
  EXPECT_TRUE(scan_one("SELECT set_config('a', 'b', false)", kPostgresql).session_change);
  EXPECT_TRUE(scan_one("SELECT load_extension('x')", kSqlite).may_have_side_effects);
  EXPECT_TRUE(scan_one("SELECT GET_LOCK('x', 1)", kMysql).may_have_side_effects);
  EXPECT_TRUE(scan_one("SELECT s.nextval", kMysql).may_have_side_effects);
  expect_unknown(kMysql, "unknown_syntax", "SELECT NEXT VALUE FOR s");
  EXPECT_FALSE(scan_one("SELECT random(), now()", kPostgresql).may_have_side_effects);
}

TEST(ScannerReads, SqliteDatesMayReadTheClock) {
  expect_readable(kSqlite, "", "SELECT date('2020-01-01', '+1 day'), strftime('%Y', 2451545)");
  for (const char* sql :
       {"SELECT date('now')", "SELECT date()", "SELECT strftime('%Y')", "SELECT date(%s)",
        "SELECT datetime(x) FROM a", "SELECT date('no' || 'w')", "SELECT date(\"now\")",
        "SELECT time('2020-01-01', 'localtime')", "SELECT date('NOW ')", "SELECT date(x'6e6f77')"}) {
    expect_unreadable(kSqlite, "volatile_function", sql);
  }
}

TEST(ScannerReads, PostgresqlTextMayReadTheClock) {
  for (const char* sql :
       {"SELECT 'now'::timestamp", "SELECT DATE 'today'", "SELECT ' Yesterday 04:00 '::date",
        "SELECT CAST('tomorrow' AS date)", "SELECT $$now$$::date"}) {
    expect_unreadable(kPostgresql, "clock_text", sql);
  }
  expect_unreadable(kPostgresql, "escaped_text", "SELECT E'\\x6eow'::timestamp");
  expect_unreadable(kPostgresql, "escaped_text", "SELECT U&'\\006eow'::timestamp");
  expect_unreadable(kPostgresql, "escaped_text", "SELECT 'no'\n'w'");
  expect_unreadable(kPostgresql, "placeholder_in_text", "SELECT INTERVAL '%s days'");
  expect_readable(kPostgresql, "a", "SELECT 1 FROM a WHERE x = 'snowtoday' AND y LIKE '%%x%%'");
  expect_unreadable(kPostgresql, "unknown_type", "SELECT 's'::regclass");
  expect_unreadable(kPostgresql, "unknown_type", "SELECT regclass 's'");
  expect_unreadable(kPostgresql, "unknown_type", "SELECT x::public.mood FROM a");
}

TEST(ScannerReads, LockingReads) {
  expect_unreadable(kPostgresql, "locking_read", "SELECT * FROM a FOR UPDATE");
  expect_unreadable(kPostgresql, "locking_read", "SELECT * FROM a t FOR NO KEY UPDATE OF t SKIP LOCKED");
  expect_unreadable(kPostgresql, "locking_read", "SELECT * FROM a WHERE x = 1 FOR KEY SHARE NOWAIT LIMIT 1");
  expect_unreadable(kMysql, "locking_read", "SELECT * FROM a LIMIT 1 FOR UPDATE");
  expect_unreadable(kMysql, "locking_read", "SELECT * FROM a LOCK IN SHARE MODE");
  EXPECT_TRUE(scan_one("SELECT * FROM (SELECT * FROM a FOR SHARE) t", kPostgresql).locking_read);
  expect_unknown(kMysql, "unknown_syntax", "SELECT * FROM a FOR SYSTEM_TIME AS OF NOW()");
}

TEST(ScannerReads, PostgresqlExpressions) {
  for (const char* expression : {"EXTRACT(YEAR FROM x AT TIME ZONE 'UTC')",
                                 "(x AT TIME ZONE 'UTC')::date",
                                 "x::varchar(10)",
                                 "x::double precision",
                                 "x::timestamp(6) with time zone",
                                 "CAST(x AS timestamp without time zone)",
                                 "ARRAY[1, 2]::integer[]",
                                 "ARRAY(SELECT 1)",
                                 "x IS NOT DISTINCT FROM y",
                                 "x ~* %s",
                                 "x -> 'a' ->> 'b' #> '{c}'",
                                 "x @> %s::jsonb",
                                 "x ? 'k'",
                                 "SUBSTRING(x FROM 1 FOR 2)",
                                 "TRIM(BOTH FROM x)",
                                 "INTERVAL '1 day'",
                                 "array_agg(x ORDER BY y) FILTER (WHERE z)",
                                 "percentile_cont(0.5) WITHIN GROUP (ORDER BY x)",
                                 "x LIKE ANY (ARRAY['a'])",
                                 "x[1:2]",
                                 "x COLLATE \"C\"",
                                 "JSON_OBJECT('a' VALUE (x), 'b' VALUE LOWER(y) RETURNING JSONB)",
                                 "to_tsvector('english'::regconfig, COALESCE(x, ''))",
                                 "ROW(x, y) = ROW(1, 2)",
                                 "x BETWEEN SYMMETRIC 1 AND 2",
                                 "POSITION('a' IN x)",
                                 "x #- '{a}'",
                                 "1_000 + 0x1F + 1.5e-3",
                                 "$tag$ FROM b $tag$",
                                 "B'101' || X'1F'",
                                 "lag(x) OVER (w ORDER BY y)",
                                 "GREATEST(x, %(name)s)"}) {
    expect_readable(kPostgresql, "a", std::string("SELECT ") + expression + " FROM a");
  }
  expect_readable(kPostgresql, "a",
                  "SELECT x FROM a GROUP BY GROUPING SETS ((x), ()), CUBE (x, y), ROLLUP (x)");
  expect_readable(kPostgresql, "a",
                  "SELECT DISTINCT ON (x) x FROM a ORDER BY x FETCH FIRST 3 ROWS WITH TIES");
  expect_readable(kMysql, "a",
                  "SELECT `x` DIV 2, x LIKE BINARY %s, INTERVAL 1 DAY, DATE_ADD(x, INTERVAL (1) DAY), "
                  "CONVERT_TZ(x, 'UTC', %s), CAST(x AS CHAR(10) CHARACTER SET utf8mb4), _utf8mb4'x', "
                  "GROUP_CONCAT(x ORDER BY y SEPARATOR ','), CONVERT(x USING utf8), CAST(x AS signed integer)"
                  " FROM a GROUP BY x WITH ROLLUP # FROM b");
  expect_readable(
      kSqlite, "a",
      "SELECT x LIKE %s ESCAPE '\\', x REGEXP %s, x GLOB 'a*', x -> '$.a', x IS NOT 1, ?1, :name, "
      "django_datetime_trunc('day', x, 'UTC', 'UTC') FROM a");
}

TEST(ScannerWrites, Insert) {
  for (const Dialect dialect : kAll) {
    expect_write(dialect, "insert", "a", "", "INSERT INTO a (x, y) VALUES (%s, %s), (%s, %s)");
    expect_write(dialect, "insert", "a", "b", "INSERT INTO a (x) SELECT x FROM b WHERE y = 1");
    expect_write(dialect, "insert", "a", "b", "INSERT INTO a (x) VALUES ((SELECT MAX(x) FROM b))");
    expect_write(dialect, "insert", "s.a", "b", "INSERT INTO s.a (SELECT x FROM b)");
  }
  expect_write(kPostgresql, "insert", "a", "b", "WITH c AS (SELECT * FROM b) INSERT INTO a SELECT * FROM c");
  const Statement conflict = scan_one(
      "INSERT INTO a (x) SELECT x FROM b WHERE true ON CONFLICT (x) WHERE y DO UPDATE SET "
      "(x, y) = (SELECT z, 1 FROM c) RETURNING a.id",
      kPostgresql);
  EXPECT_TRUE(conflict.upsert);
  EXPECT_TRUE(conflict.returning);
  EXPECT_EQ(listed(conflict.reads), "b c");
  EXPECT_TRUE(scan_one("INSERT INTO a SELECT * FROM b ON CONFLICT DO NOTHING", kPostgresql).upsert);
  EXPECT_TRUE(scan_one("INSERT INTO a (x) VALUES (1) ON DUPLICATE KEY UPDATE x = VALUES(x)", kMysql).upsert);
  EXPECT_TRUE(
      scan_one("INSERT INTO a (x) VALUES (1) AS new ON DUPLICATE KEY UPDATE x = new.x", kMysql).upsert);
  EXPECT_TRUE(scan_one("INSERT IGNORE INTO a SET x = 1", kMysql).upsert);
  EXPECT_TRUE(scan_one("REPLACE INTO a VALUES (1)", kMysql).replace);
  EXPECT_TRUE(scan_one("INSERT OR REPLACE INTO a VALUES (1)", kSqlite).replace);
  EXPECT_FALSE(scan_one("INSERT INTO a VALUES (1)", kSqlite).returning);
  expect_write(kPostgresql, "insert", "a", "",
               "INSERT INTO a AS t (x) OVERRIDING SYSTEM VALUE VALUES (DEFAULT)");
  expect_write(kPostgresql, "insert", "a", "", "INSERT INTO \"a\" DEFAULT VALUES RETURNING \"a\".\"id\"");
  expect_write(kPostgresql, "insert", "a", "",
               "INSERT INTO a (x, y) SELECT * FROM UNNEST((%s)::integer[], (%s)::varchar[]) RETURNING id");
  expect_write(kMysql, "insert", "a", "", "INSERT INTO `a` () VALUES ()");
  for (const Dialect dialect : kAll) expect_unknown(dialect, "unknown_syntax", "INSERT INTO %s VALUES (1)");
  expect_unknown(kSqlite, "unknown_syntax", "INSERT INTO 'a' VALUES (1)");
  expect_unknown(kMysql, "unknown_syntax", "INSERT INTO \"a\" VALUES (1)");
}

TEST(ScannerWrites, Update) {
  for (const Dialect dialect : kAll) {
    expect_write(dialect, "update", "a", "b",
                 "UPDATE a SET x = (SELECT y FROM b LIMIT 1), z = 1 WHERE a.id IN (1, %s)");
    expect_write(dialect, "update", "a", "", "update A set x = x + 1");
  }
  expect_write(kPostgresql, "update", "a", "b c",
               "UPDATE ONLY a AS t SET (x) = (1) FROM b JOIN c ON true WHERE t.x = b.x");
  EXPECT_TRUE(scan_one("UPDATE a SET x = 1 RETURNING *", kPostgresql).returning);
  EXPECT_TRUE(scan_one("UPDATE OR REPLACE a SET x = 1", kSqlite).replace);
  expect_write(kMysql, "update", "a b", "a b", "UPDATE a t JOIN b ON t.x = b.x SET t.y = 1, b.z = 2");
  expect_write(kMysql, "update", "a b", "a b", "UPDATE a, b SET a.x = b.x");
  expect_write(kMysql, "update", "a b", "a b",
               "WITH c AS (SELECT * FROM a) UPDATE a JOIN b USING (x) SET a.x = 1");
  expect_write(kMysql, "update", "a", "", "UPDATE LOW_PRIORITY IGNORE a AS t SET x = 1 ORDER BY y LIMIT 1");
  expect_unknown(kPostgresql, "unknown_syntax", "UPDATE a FOR PORTION OF p FROM 1 TO 2 SET x = 1");
}

TEST(ScannerWrites, DeleteMergeAndTruncate) {
  for (const Dialect dialect : kAll) {
    expect_write(dialect, "delete", "a", "b", "DELETE FROM a WHERE a.id IN (SELECT u0.x FROM b u0)");
    expect_write(dialect, "delete", "a", "", "DELETE FROM a");
  }
  expect_write(kPostgresql, "delete", "a", "b c", "DELETE FROM a t USING b, c WHERE t.x = b.x RETURNING t.*");
  expect_write(kMysql, "delete", "a b", "a b",
               "DELETE t, b FROM a AS t INNER JOIN b ON t.x = b.x WHERE b.y = 1");
  expect_write(kMysql, "delete", "a b", "a b", "DELETE FROM t.*, b USING a AS t, b WHERE t.x = b.x");
  expect_write(kMysql, "delete", "a", "", "DELETE QUICK FROM a WHERE x = 1 LIMIT 2");
  expect_write(kPostgresql, "merge", "a", "b c",
               "MERGE INTO a t USING b s ON t.x = s.x WHEN MATCHED AND s.y > (SELECT 1 FROM c) THEN UPDATE "
               "SET z = s.z "
               "WHEN NOT MATCHED THEN INSERT (x, z) VALUES (s.x, s.z) WHEN MATCHED THEN DELETE");
  expect_write(kPostgresql, "truncate", "a b", "", "TRUNCATE \"a\", \"b\" RESTART IDENTITY");
  expect_write(kMysql, "truncate", "a", "", "TRUNCATE TABLE `a`");
  expect_unknown(kPostgresql, "unknown_syntax", "TRUNCATE a CASCADE");
  expect_unknown(kSqlite, "unknown_statement", "TRUNCATE a");
}

TEST(ScannerWrites, CtesThatWrite) {
  expect_write(kPostgresql, "delete", "a", "", "WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone");
  expect_write(kPostgresql, "delete", "a b", "",
               "WITH g AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM g");
  expect_write(kPostgresql, "update", "a", "b",
               "WITH x AS (SELECT 1), y AS (UPDATE a SET z = 1 RETURNING z) SELECT * FROM b, x, y");
  EXPECT_TRUE(scan_one("WITH g AS (DELETE FROM a RETURNING *) SELECT 1", kPostgresql).returning);
}

TEST(ScannerWrites, Ddl) {
  for (const Dialect dialect : kAll) {
    expect_write(dialect, "ddl", "a", "",
                 "CREATE TABLE IF NOT EXISTS a (id integer NOT NULL PRIMARY KEY, x int DEFAULT 1)");
    expect_write(dialect, "ddl", "a", "b", "CREATE TABLE a AS SELECT * FROM b");
    expect_write(dialect, "ddl", "a b", "", "ALTER TABLE a RENAME TO b");
    expect_write(dialect, "ddl", "a", "", "ALTER TABLE a RENAME COLUMN x TO y");
    expect_write(dialect, "ddl", "a", "", "ALTER TABLE a ADD COLUMN x integer REFERENCES b (id)");
    expect_write(dialect, "ddl", "a", "", "CREATE UNIQUE INDEX i ON a (x, lower(y)) WHERE z");
    expect_write(dialect, "ddl", "a", "", "DROP TABLE IF EXISTS a");
    expect_write(dialect, "ddl", "", "", "CREATE VIEW v AS SELECT now()");
    EXPECT_TRUE(scan_one("CREATE TEMPORARY TABLE a (x int)", dialect).temporary);
    EXPECT_TRUE(scan_one("CREATE TEMPORARY TABLE a (x int)", dialect).session_change);
  }
  expect_write(kPostgresql, "ddl", "a b", "", "DROP TABLE a, b CASCADE");
  expect_write(kPostgresql, "ddl", "c", "a", "SELECT x INTO c FROM a");
  expect_write(kPostgresql, "ddl", "a", "",
               "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"i\" ON ONLY a USING gin (x)");
  expect_write(kMysql, "ddl", "a", "", "DROP INDEX i ON a");
  expect_write(kMysql, "ddl", "a b c d", "", "RENAME TABLE a TO b, c TO d");
  expect_unknown(kPostgresql, "unknown_syntax", "ALTER TABLE a ATTACH PARTITION b DEFAULT");
  EXPECT_EQ(scan_one("CREATE TABLE a AS SELECT f(x) FROM b WITH NO DATA", kPostgresql).functions,
            std::vector<std::string>{"f"});
}

TEST(ScannerStatements, Transactions) {
  for (const char* sql : {"BEGIN", "BEGIN IMMEDIATE", "BEGIN DEFERRED TRANSACTION"}) {
    expect_kind(kSqlite, "begin", sql);
    EXPECT_FALSE(scan_one(sql, kSqlite).begin_with_options) << sql;
  }
  for (const char* sql :
       {"BEGIN ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION READ ONLY", "BEGIN READ WRITE"}) {
    EXPECT_TRUE(scan_one(sql, kPostgresql).begin_with_options) << sql;
    EXPECT_EQ(scan_one(sql, kPostgresql).kind, StatementKind::begin) << sql;
  }
  EXPECT_TRUE(scan_one("START TRANSACTION WITH CONSISTENT SNAPSHOT", kMysql).begin_with_options);
  expect_unknown(kMysql, "unknown_syntax", "BEGIN NOT ATOMIC SELECT 1");
  expect_unknown(kMysql, "unknown_statement", "START SLAVE");
  for (const Dialect dialect : kAll) {
    expect_kind(dialect, "commit", "COMMIT;");
    expect_kind(dialect, "rollback", "ROLLBACK");
    expect_kind(dialect, "rollback_to_savepoint", "ROLLBACK TO SAVEPOINT \"s1\"");
    expect_kind(dialect, "savepoint", "SAVEPOINT s140_x1");
    expect_kind(dialect, "release", "RELEASE SAVEPOINT s1");
    expect_unknown(dialect, "unknown_syntax", "COMMIT AND CHAIN");
    expect_unknown(dialect, "unknown_syntax", "COMMIT PREPARED 'x'");
    expect_unknown(dialect, "unknown_statement", "PREPARE TRANSACTION 'x'");
  }
  expect_kind(kPostgresql, "commit", "END");
  expect_kind(kPostgresql, "rollback", "ABORT");
}

TEST(ScannerStatements, SettingsAndPragmas) {
  EXPECT_EQ(scan_one("SET search_path TO a, b", kPostgresql).set_name, "search_path");
  EXPECT_TRUE(scan_one("SET LOCAL search_path = a", kPostgresql).session_change);
  EXPECT_TRUE(scan_one("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", kPostgresql).sets_transaction);
  EXPECT_TRUE(scan_one("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", kMysql).sets_transaction);
  EXPECT_TRUE(scan_one("SET SESSION TRANSACTION READ ONLY", kMysql).session_change);
  EXPECT_TRUE(scan_one("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", kMysql).session_change);
  EXPECT_TRUE(scan_one("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", kPostgresql).session_change);
  EXPECT_FALSE(scan_one("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", kPostgresql).session_change);
  EXPECT_FALSE(scan_one("SET SESSION max_execution_time = 10", kMysql).session_change);
  expect_unknown(kMysql, "unknown_syntax", "SET PASSWORD = 'x'");
  expect_unknown(kMysql, "unknown_syntax", "SET DEFAULT ROLE ALL TO a");
  expect_unknown(kMysql, "unknown_syntax", "SET PERSIST x = 1");
  EXPECT_EQ(scan_one("SET @@session.autocommit = 0", kMysql).set_name, "autocommit");
  EXPECT_TRUE(scan_one("SET default_transaction_isolation = 'serializable'", kPostgresql).sets_transaction);
  EXPECT_EQ(scan_one("SET autocommit = 1", kMysql).set_name, "autocommit");
  EXPECT_FALSE(scan_one("SET foreign_key_checks=0", kMysql).session_change);
  EXPECT_TRUE(scan_one("SET @x = 1, sql_mode = ''", kMysql).session_change);
  EXPECT_EQ(scan_one("SET @x := (SELECT f(y) FROM a)", kMysql).functions, std::vector<std::string>{"f"});
  expect_kind(kPostgresql, "other_harmless", "SET CONSTRAINTS ALL IMMEDIATE");
  expect_unknown(kMysql, "unknown_syntax", "SET x = 1, autocommit = 1");
  expect_unknown(kMysql, "unknown_syntax", "SET GLOBAL x = 1");
  expect_unknown(kMysql, "unknown_syntax", "SET @@global.x = 1");
  expect_unknown(kMysql, "unknown_syntax", "SET STATEMENT max_statement_time=1 FOR DELETE FROM a");
  EXPECT_TRUE(scan_one("USE other", kMysql).session_change);
  EXPECT_TRUE(scan_one("ATTACH DATABASE 'x' AS y", kSqlite).session_change);
  EXPECT_TRUE(scan_one("RESET ALL", kPostgresql).session_change);
  for (const char* sql :
       {"PRAGMA foreign_keys = ON", "PRAGMA main.table_info(\"a\")", "PRAGMA user_version"}) {
    EXPECT_EQ(scan_one(sql, kSqlite).kind, StatementKind::pragma) << sql;
    EXPECT_FALSE(scan_one(sql, kSqlite).session_change) << sql;
  }
  EXPECT_TRUE(scan_one("PRAGMA case_sensitive_like = 1", kSqlite).session_change);
  expect_unknown(kSqlite, "unknown_statement", "PRAGMA user_version = 3");
  expect_unknown(kSqlite, "unknown_statement", "PRAGMA writable_schema(1)");
}

TEST(ScannerStatements, ExplainAndTheRest) {
  for (const Dialect dialect : kAll) expect_write(dialect, "explain", "", "a", "EXPLAIN SELECT * FROM a");
  expect_write(kSqlite, "explain", "", "", "EXPLAIN QUERY PLAN DELETE FROM a");
  expect_write(kPostgresql, "delete", "a", "", "EXPLAIN ANALYZE DELETE FROM a");
  expect_write(kPostgresql, "delete", "a", "", "EXPLAIN (VERBOSE, ANALYZE true, FORMAT json) DELETE FROM a");
  expect_write(kPostgresql, "explain", "", "a", "EXPLAIN (ANALYZE) SELECT * FROM a");
  expect_kind(kMysql, "explain", "DESCRIBE a");
  for (const char* sql :
       {"CALL f()", "DO 'x'", "EXECUTE x", "PREPARE x AS SELECT 1", "COPY a FROM STDIN", "LOAD DATA x",
        "LOCK TABLE a", "HANDLER a OPEN", "GRANT ALL ON a TO b", "DECLARE c CURSOR FOR SELECT 1",
        "random words", "%s", "1", "'x'", "FLUSH TABLES"}) {
    for (const Dialect dialect : kAll) expect_unknown(dialect, "unknown_statement", sql);
  }
  expect_unknown(kMysql, "unknown_statement", "ANALYZE UPDATE a SET x = 1");
  expect_unknown(kSqlite, "unknown_statement", "VACUUM");
  expect_kind(kPostgresql, "other_harmless", "VACUUM ANALYZE a");
  expect_kind(kMysql, "other_harmless", "SHOW TABLES");
}

TEST(ScannerScripts, SplitsAtTopLevelSemicolons) {
  const Script script = scan_sql("; BEGIN; DELETE FROM a WHERE x = ';' -- ;\n; /* ; */ ;COMMIT;", kSqlite);
  ASSERT_EQ(script.statements.size(), 3U);
  EXPECT_EQ(script.statements[0].kind, StatementKind::begin);
  EXPECT_EQ(listed(script.statements[1].writes), "a");
  EXPECT_EQ(script.statements[2].kind, StatementKind::commit);
  EXPECT_TRUE(scan_sql("", kSqlite).statements.empty());
  EXPECT_TRUE(scan_sql(" ;; -- x", kSqlite).statements.empty());
  expect_unknown(kSqlite, "unknown_syntax", "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END;");
  EXPECT_EQ(scan_sql("CREATE FUNCTION f() RETURNS int AS $$ ; $$ LANGUAGE sql; DELETE FROM a", kPostgresql)
                .statements.size(),
            2U);
  EXPECT_EQ(scan_one("SELECT %s, '%s', %(x)s, %% FROM a", kSqlite).placeholders, 2U);
}

TEST(ScannerHostile, WhatCannotBeCutIsUnknown) {
  for (const Dialect dialect : kAll) {
    expect_unknown(dialect, "unfinished_text", "SELECT 'a");
    expect_unknown(dialect, "unfinished_text", "SELECT 1; SELECT \"a");
    expect_unknown(dialect, "unfinished_text", "SELECT 1 /* x");
    expect_unknown(dialect, "stray_byte", std::string_view("SELECT 1 \0 FROM a", 17));
    expect_unknown(dialect, "unbalanced_parentheses", "SELECT (1");
    expect_unknown(dialect, "unbalanced_parentheses", "SELECT 1)");
    expect_unknown(dialect, "too_deep", "SELECT " + std::string(200, '(') + std::string(200, ')'));
    expect_unknown(dialect, "stray_byte", "SELECT 1FROM a");
    expect_unknown(dialect, "unknown_syntax", "SELECT 1 FROM a b c");
    expect_unknown(dialect, "unknown_syntax", "SELECT 1 FROM a WHERE x = 1 JOIN b");
    expect_unknown(dialect, "unknown_syntax", "SELECT 1 SELECT 2");
    expect_unknown(dialect, "unknown_syntax", "SELECT 1 FROM");
    expect_unknown(dialect, "unknown_syntax", "WITH x SELECT 1");
  }
  expect_unknown(kMysql, "executable_comment", "SELECT 1 /*!50000 , sleep(1) */");
  expect_unknown(kMysql, "executable_comment", "SELECT 1 /*M! , sleep(1) */");
  expect_readable(kMysql, "a", "SELECT /*+ MAX_EXECUTION_TIME(10) */ 5--1 FROM a");
  expect_unknown(kMysql, "ambiguous_escape", "SELECT 'a\\' OR sleep(1) -- '");
  expect_unknown(kPostgresql, "ambiguous_escape", "SELECT 'a\\' OR 1");
  expect_readable(kPostgresql, "c", "SELECT E'a\\' FROM b' FROM c");
  expect_readable(kPostgresql, "a",
                  R"(SELECT 1 FROM a WHERE x LIKE '%%' || REPLACE(%s, E'\\', E'\\\\') || E'\\%%')");
  expect_readable(kSqlite, "a", "SELECT 'x\\' FROM a");
  expect_readable(kPostgresql, "a", "SELECT 1 /* a /* b */ , now() */ FROM a");
  expect_unknown(kPostgresql, "placeholder_in_text", "SELECT 1 -- %s");
  expect_unknown(kSqlite, "stray_byte",
                 "SELECT \xEF\xBB\xBF"
                 "current_timestamp");
  expect_unknown(kSqlite, "stray_byte", "SELECT $a(')'), '");
}

TEST(ScannerHostile, StrangeNamesStayNames) {
  expect_readable(kPostgresql, "a\"; DROP TABLE b; --", "SELECT 1 FROM \"a\"\"; DROP TABLE b; --\"");
  expect_readable(kSqlite, "from where", "SELECT \"select\" FROM \"from\", \"where\"");
  expect_readable(kPostgresql, "\xC3\x84rger \xE8\xA1\xA8", "SELECT 1 FROM \"\xC3\x84rger\", \xE8\xA1\xA8");
  expect_write(kMysql, "delete", "a`b", "", "DELETE FROM `A``b`");
  const std::string many = "SELECT 1 FROM a0" + [] {
    std::string list;
    for (int i = 1; i < 300; ++i) list += ", a" + std::to_string(i);
    return list;
  }();
  expect_unknown(kSqlite, "too_many_names", many);
}

TEST(ScannerHostile, AMegabyteIsReadOrRefused) {
  std::string names, nested, statements;
  for (int i = 0; i < 130000; ++i) names += "a.b,";
  for (int i = 0; i < 2000; ++i) nested += std::string(140, '(') + "1" + std::string(140, ')') + "+";
  for (int i = 0; i < 100000; ++i) statements += "SELECT 1;";
  for (const Dialect dialect : kAll) {
    expect_unknown(dialect, "too_many_tokens", "SELECT " + names + "1");
    expect_unknown(dialect, "too_many_tokens", "SELECT " + nested + "1");
    expect_unknown(dialect, "too_many_tokens", statements);
    expect_readable(dialect, "a", "SELECT x FROM a WHERE y = '" + std::string(1 << 20, 'z') + "'");
  }
}

// Taken from what Django 6.1 sends.
TEST(ScannerDjango, Sqlite) {
  expect_readable(
      kSqlite, "auth_user",
      R"(SELECT * FROM (SELECT "auth_user"."id" AS "col1", ROW_NUMBER() OVER (PARTITION BY "auth_user"."is_staff" )"
      R"(ORDER BY "auth_user"."id") AS "qual0" FROM "auth_user") "qualify" WHERE "qual0" <= %s)");
  expect_readable(
      kSqlite, "auth_user",
      R"(SELECT django_datetime_trunc(%s, "auth_user"."date_joined", %s, %s) AS "d", COUNT("auth_user"."id") AS "n" )"
      R"(FROM "auth_user" WHERE "auth_user"."username" LIKE %s ESCAPE '\' GROUP BY 1)");
  expect_readable(
      kSqlite, "auth_m",
      R"(SELECT 1 FROM "auth_m" WHERE (CASE WHEN JSON_TYPE("auth_m"."j", %s) IN ('false','true','null') THEN )"
      R"(JSON_TYPE("auth_m"."j", %s) ELSE JSON_EXTRACT("auth_m"."j", %s) END) = JSON_EXTRACT(%s, '$'))");
  expect_write(
      kSqlite, "insert", "new__auth_m", "auth_m",
      R"(INSERT INTO "new__auth_m" ("id", "a", "b") SELECT "id", "a", coalesce("b", '') FROM "auth_m")");
  expect_write(kSqlite, "ddl", "auth_m new__auth_m", "", R"(ALTER TABLE "new__auth_m" RENAME TO "auth_m")");
  EXPECT_TRUE(
      scan_one(R"(INSERT INTO "auth_group" ("name") VALUES (%s), (%s) ON CONFLICT("name") DO UPDATE SET )"
               R"("name" = EXCLUDED."name" RETURNING "auth_group"."id")",
               kSqlite)
          .returning);
  expect_unreadable(kSqlite, "volatile_function",
                    "SELECT STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW') AS \"n\"");
}

TEST(ScannerDjango, Mysql) {
  expect_readable(
      kMysql, "auth_user",
      R"(SELECT DISTINCT CAST(DATE_FORMAT(CONVERT_TZ(`auth_user`.`date_joined`, %s, %s), '%%Y-%%m-01') AS DATE) )"
      R"(AS `d` FROM `auth_user` WHERE `auth_user`.`username` LIKE BINARY CONCAT('%%', REPLACE(REPLACE(REPLACE()"
      R"((`auth_user`.`email`), '\\', '\\\\'), '%%', '\%%'), '_', '\_'), '%%') ORDER BY `d` ASC LIMIT 3 OFFSET 2)");
  expect_readable(
      kMysql, "auth_user",
      R"(SELECT (`auth_user`.`date_joined` + INTERVAL %s MICROSECOND) AS `t`, TIMESTAMPDIFF(MICROSECOND, `a`, `b`), )"
      R"(JSON_UNQUOTE(JSON_EXTRACT(`auth_user`.`j`, %s)), REGEXP_LIKE(`x`, %s, 'c') FROM `auth_user`)");
  expect_readable(kMysql, "a", "SELECT x FROM a WHERE MATCH (x, y) AGAINST (%s IN BOOLEAN MODE)");
  expect_readable(kMysql, "a b",
                  "SELECT STRAIGHT_JOIN SQL_NO_CACHE x FROM a FORCE INDEX FOR ORDER BY (i), b LIMIT 2, 3");
  expect_unreadable(kMysql, "volatile_function", "SELECT x FROM a LIMIT ROWS EXAMINED 10");
  expect_write(kMysql, "insert", "x", "",
               "INSERT INTO `x` (`a`) VALUES (%s), (%s) AS new ON DUPLICATE KEY UPDATE `a` = new.`a`");
  expect_write(kMysql, "insert", "x", "", "INSERT IGNORE INTO `x` SET `a` = %s, `b` = DEFAULT");
  expect_write(kMysql, "insert", "x", "", "REPLACE INTO `x` (`a`) VALUES (%s) RETURNING `x`.`id`");
  expect_write(kMysql, "delete", "x", "x", "DELETE `x` FROM `x` WHERE `x`.`a` IN (%s)");
  expect_write(kMysql, "update", "x y", "x y",
               "UPDATE `x` INNER JOIN `y` ON (`x`.`y_id` = `y`.`id`) SET `x`.`a` = %s WHERE `y`.`b` = %s");
  expect_write(kMysql, "truncate", "x", "", "TRUNCATE `x`;");
  expect_write(kMysql, "ddl", "x z", "", "RENAME TABLE `x` TO `z`");
  expect_write(kMysql, "ddl", "x", "", "ALTER TABLE `x` MODIFY `b` varchar(3) NOT NULL");
  expect_kind(kMysql, "set", "SET foreign_key_checks=0");
  for (const char* sql : {"LOCK TABLES x WRITE", "UNLOCK TABLES", "LOAD DATA INFILE 'x' INTO TABLE y",
                          "CALL f(1)", "DO SLEEP(1)", "HANDLER x READ FIRST", "XA START 'x'",
                          "OPTIMIZE TABLE x", "GRANT ALL ON x.* TO y", "KILL 3"}) {
    expect_unknown(kMysql, "unknown_statement", sql);
  }
  for (const char* sql :
       {"SELECT 1 INTO @x", "SELECT * FROM x INTO OUTFILE 'y'", "SELECT x INTO DUMPFILE 'y' FROM z",
        "DELETE FROM x FOR PORTION OF p FROM 1 TO 2", "ALTER TABLE x EXCHANGE PARTITION p WITH TABLE y"}) {
    expect_unknown(kMysql, "unknown_syntax", sql);
  }
}

TEST(ScannerDjango, Postgresql) {
  expect_readable(
      kPostgresql, "auth_user",
      R"(SELECT DATE_TRUNC(%s, "auth_user"."date_joined" AT TIME ZONE %s) AS "d", )"
      R"((%s || (%s)::text)::text FROM "auth_user" WHERE ("auth_user"."date_joined" AT TIME ZONE %s)::date = %s )"
      R"(AND UPPER("auth_user"."username"::text) LIKE UPPER(%s) GROUP BY 1)");
  expect_readable(kPostgresql, "a b",
                  R"((SELECT "a"."id" AS "col1" FROM "a" LIMIT 3) EXCEPT (SELECT "b"."id" FROM "b"))");
  expect_write(kPostgresql, "ddl", "x", "",
               R"(ALTER TABLE "x" ADD COLUMN "y" varchar(3) DEFAULT 'a' NOT NULL; )");
  expect_write(kPostgresql, "update", "x", "",
               R"(UPDATE "x" SET "b" = (CASE WHEN ("x"."id" = %s) THEN %s ELSE NULL END)::varchar(3))"
               R"( WHERE "x"."id" IN (%s))");
  expect_kind(kPostgresql, "other_harmless", R"(SET CONSTRAINTS "fk" IMMEDIATE)");
}

TEST(ScannerDjango, Geometries) {
  expect_readable(
      kPostgresql, "p",
      R"(SELECT "p"."id", "p"."at"::bytea, ST_DistanceSphere("p"."at", %s) AS "d", ST_AsGeoJSON("p"."at", 8) )"
      R"(FROM "p" WHERE (ST_Contains("p"."area", ST_Transform(%s, 4326)) AND "p"."at" && %s AND )"
      R"("p"."at" ~= %s AND "p"."at" @ %s AND "p"."at" &<| %s AND "p"."at" |>> %s AND )"
      R"(ST_DWithin("p"."g"::geometry, %s, %s)) ORDER BY "p"."at" <-> %s)");
  expect_readable(kPostgresql, "p", R"(SELECT ST_Extent("p"."at"), ST_3DExtent("p"."at") FROM "p")");
  expect_readable(kPostgresql, "p", R"(SELECT 1 FROM "p" WHERE "p"."r" ~= '0100'::raster)");
  expect_readable(
      kSqlite, "p",
      R"(SELECT CAST (AsEWKB("p"."at") AS BLOB), CAST (AsEWKB(Extent("p"."at")) AS BLOB) FROM "p" WHERE )"
      R"((Contains("p"."area", Transform(GeomFromText(%s, 3857), 4326)) = 1 AND )"
      R"(PtDistWithin("p"."at", GeomFromText(%s, 4326), %s, 1) AND MbrOverlaps("p"."at", GeomFromText(%s))))");
  expect_unreadable(kPostgresql, "unknown_function", "SELECT AddGeometryColumn('a', 'b', 1, 'POINT', 2)");
  expect_unreadable(kPostgresql, "unknown_function", "SELECT ST_GeneratePoints(x, 5) FROM a");
  expect_unreadable(kPostgresql, "unknown_function", "SELECT ST_EstimatedExtent('a', 'b')");
  EXPECT_EQ(scan_one("SELECT InitSpatialMetaDataFull(1)", kSqlite).functions,
            std::vector<std::string>{"initspatialmetadatafull"});
}

}  // namespace
}  // namespace cache_me
