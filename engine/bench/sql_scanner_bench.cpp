// What reading one SQL text costs, apart from any cache of results by text.
#include <benchmark/benchmark.h>

#include <string>

#include "cache_me/sql_scanner.hpp"

namespace cache_me {
namespace {

const std::string kDjangoSelect =
    R"(SELECT "shop_product"."id", "shop_product"."name", "shop_product"."slug", "shop_product"."price", )"
    R"("shop_product"."created", "shop_product"."category_id", "shop_category"."id", "shop_category"."name", )"
    R"("shop_category"."parent_id" FROM "shop_product" INNER JOIN "shop_category" ON )"
    R"(("shop_product"."category_id" = "shop_category"."id") WHERE ("shop_product"."active" AND )"
    R"("shop_category"."name" LIKE %s AND "shop_product"."id" IN (SELECT U0."product_id" FROM "shop_stock" U0 )"
    R"(WHERE U0."amount" >= %s) AND UPPER("shop_product"."slug"::text) = UPPER(%s)) ORDER BY )"
    R"("shop_product"."created" DESC, "shop_product"."id" ASC LIMIT 21)";

void read(benchmark::State& state, const std::string& sql, Dialect dialect) {
  for (auto _ : state) benchmark::DoNotOptimize(scan_sql(sql, dialect));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(sql.size()));
}

void DjangoSelect(benchmark::State& state) {
  read(state, kDjangoSelect, Dialect::postgresql);
}
BENCHMARK(DjangoSelect);

void BulkInsert(benchmark::State& state) {
  std::string sql = "INSERT INTO \"shop_stock\" (\"product_id\", \"amount\") VALUES (%s, %s)";
  for (int i = 0; i < 999; ++i) sql += ", (%s, %s)";
  read(state, sql, Dialect::sqlite);
}
BENCHMARK(BulkInsert);

// Hostile texts of 1 MB.
void Megabyte(benchmark::State& state, const std::string& unit) {
  std::string sql = "SELECT ";
  while (sql.size() < (1 << 20)) sql += unit;
  read(state, sql, Dialect::postgresql);
}
BENCHMARK_CAPTURE(Megabyte, words, "a ")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, calls, "f(x),")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, chains, "abc.")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, nests, "((((((((((((1)))))))))))) + ")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, quotes, "'',")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, comments, "/*/**/*/")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, selects, "1 FROM t UNION SELECT ")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, lefts, "1 FROM t JOIN u ON left left left left left left left left ")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Megabyte, joins, "1 FROM t NATURAL LEFT OUTER NATURAL LEFT ")
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cache_me
