// What the version table costs: the check of a hit, the readings before a fill, and what a commit pays on
// top.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cache_me/hash.hpp"
#include "cache_me/version_table.hpp"

namespace cache_me {
namespace {

// In a file of /dev/shm, with the default sizes: kernel locks and page tables are as in real life.
class SharedTable {
 public:
  SharedTable() : path_("/dev/shm/django_cache_me.versions.bench." + std::to_string(::getpid())) {
    VersionOptions options;
    options.fresh = true;
    table = VersionTable::open(path_, "bench", options).value();
  }
  ~SharedTable() { std::remove(path_.c_str()); }

  std::shared_ptr<VersionTable> table;

 private:
  std::string path_;
};

std::vector<Dependency> dependencies(std::int64_t count, std::uint64_t seed = 0) {
  std::vector<Dependency> result;
  for (std::int64_t number = 0; number < count; ++number) {
    result.push_back(hash64("dependency " + std::to_string(number), seed));
  }
  return result;
}

void Unchanged(benchmark::State& state) {
  SharedTable shared;
  const auto wanted = dependencies(state.range(0));
  std::vector<std::uint64_t> versions(wanted.size());
  if (!shared.table->read(wanted, versions)) state.SkipWithError("not usable");
  for (auto _ : state) {
    benchmark::DoNotOptimize(shared.table->unchanged(shared.table->epoch(), wanted, versions));
  }
}
BENCHMARK(Unchanged)->Arg(1)->Arg(5)->Arg(50);

void UnchangedBesideAnUnrelatedIntent(benchmark::State& state) {
  SharedTable shared;
  const auto wanted = dependencies(state.range(0));
  std::vector<std::uint64_t> versions(wanted.size());
  if (!shared.table->read(wanted, versions)) state.SkipWithError("not usable");
  Intent intent = shared.table->declare(dependencies(5, 1), "session", true).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(shared.table->unchanged(shared.table->epoch(), wanted, versions));
  }
  shared.table->finish(std::move(intent));
}
BENCHMARK(UnchangedBesideAnUnrelatedIntent)->Arg(1)->Arg(5)->Arg(50);

void UnchangedWithItsLease(benchmark::State& state) {
  SharedTable shared;
  const auto wanted = dependencies(state.range(0));
  std::vector<std::uint64_t> versions(wanted.size());
  if (!shared.table->read(wanted, versions)) state.SkipWithError("not usable");
  for (auto _ : state) {
    benchmark::DoNotOptimize(shared.table->still_ours() &&
                             shared.table->unchanged(shared.table->epoch(), wanted, versions));
  }
}
BENCHMARK(UnchangedWithItsLease)->Arg(5);

void Read(benchmark::State& state) {
  SharedTable shared;
  const auto wanted = dependencies(state.range(0));
  std::vector<std::uint64_t> versions(wanted.size());
  for (auto _ : state) benchmark::DoNotOptimize(shared.table->read(wanted, versions));
}
BENCHMARK(Read)->Arg(1)->Arg(5)->Arg(50);

void DeclareAndFinish(benchmark::State& state) {
  SharedTable shared;
  const auto touched = dependencies(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        shared.table->finish(shared.table->declare(touched, "backend 4711", true).value()));
  }
}
BENCHMARK(DeclareAndFinish)->Arg(1)->Arg(5)->Arg(50);

void Bump(benchmark::State& state) {
  SharedTable shared;
  const auto touched = dependencies(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(shared.table->bump(touched));
}
BENCHMARK(Bump)->Arg(1)->Arg(5)->Arg(50);

void Open(benchmark::State& state) {
  SharedTable shared;
  const std::string path = shared.table->file().path();
  for (auto _ : state) benchmark::DoNotOptimize(VersionTable::open(path, "bench"));
}
BENCHMARK(Open);

}  // namespace
}  // namespace cache_me
