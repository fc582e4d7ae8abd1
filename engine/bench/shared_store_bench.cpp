// What a get and a put cost, for values of 100 B, 1 KB and 10 KB, with one process and with two.
//
// In the benchmarks named "…TwoProcesses" a forked child does the same, on the same keys, all the time.
#include <benchmark/benchmark.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "cache_me/shared_store.hpp"

namespace cache_me {
namespace {

constexpr std::size_t kKeys = 4096;
constexpr std::uint64_t kCapacity = 256u << 20;

class Fixture {
 public:
  explicit Fixture(std::size_t size) : value_(size, 'x') {
    path_ = "/dev/shm/django_cache_me.entries.bench." + std::to_string(::getpid());
    ::unlink(path_.c_str());
    SharedStore::Options options;
    options.capacity = kCapacity;
    auto opened = SharedStore::open(path_, options);
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.status().message().c_str());
      std::abort();
    }
    store_ = opened.value();
    for (std::size_t number = 0; number < kKeys; ++number) {
      keys_.push_back("cache_me:queryset:atlas.city:" + std::to_string(number * 0x9E3779B97F4A7C15u));
      store_->put(keys_.back(), value_);
    }
  }
  ~Fixture() {
    if (rival_ > 0) {
      ::kill(rival_, SIGKILL);
      ::waitpid(rival_, nullptr, 0);
    }
    ::unlink(path_.c_str());
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  void start_rival(const std::function<void(std::size_t)>& work) {
    rival_ = ::fork();
    if (rival_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (std::size_t number = 7;; number += 13) work(number);
  }

  // Keys in an order that no prefetcher guesses.
  const std::string& key(std::size_t number) const { return keys_[number * 2654435761u % kKeys]; }
  const std::string& value() const { return value_; }
  SharedStore& store() { return *store_; }

 private:
  std::string path_;
  std::string value_;
  std::vector<std::string> keys_;
  std::shared_ptr<SharedStore> store_;
  pid_t rival_ = -1;
};

void finish(benchmark::State& state, Fixture& fixture, std::uint64_t busy_before) {
  state.SetBytesProcessed(static_cast<std::int64_t>(fixture.value().size()) * state.iterations());
  state.counters["busy"] = static_cast<double>(fixture.store().stats().busy - busy_before);
}

void run_get(benchmark::State& state, bool rival) {
  Fixture fixture(static_cast<std::size_t>(state.range(0)));
  std::string value;
  const auto work = [&](std::size_t number) { return fixture.store().get(fixture.key(number), value); };
  if (rival) fixture.start_rival(work);
  const std::uint64_t busy = fixture.store().stats().busy;
  std::size_t number = 0;
  std::uint64_t misses = 0;
  for (auto _ : state) misses += work(number++) ? 0u : 1u;
  state.counters["misses"] = static_cast<double>(misses);
  finish(state, fixture, busy);
}

void run_put(benchmark::State& state, bool rival) {
  Fixture fixture(static_cast<std::size_t>(state.range(0)));
  const auto work = [&](std::size_t number) {
    return fixture.store().put(fixture.key(number), fixture.value(), 60'000);
  };
  if (rival) fixture.start_rival(work);
  const std::uint64_t busy = fixture.store().stats().busy;
  std::size_t number = 0;
  for (auto _ : state) benchmark::DoNotOptimize(work(number++));
  finish(state, fixture, busy);
}

void GetHit(benchmark::State& state) {
  run_get(state, false);
}
void GetHitTwoProcesses(benchmark::State& state) {
  run_get(state, true);
}
void Put(benchmark::State& state) {
  run_put(state, false);
}
void PutTwoProcesses(benchmark::State& state) {
  run_put(state, true);
}

void GetMiss(benchmark::State& state) {
  Fixture fixture(1000);
  std::string value;
  std::vector<std::string> absent;
  for (std::size_t number = 0; number < kKeys; ++number) absent.push_back(fixture.key(number) + "?");
  std::size_t number = 0;
  for (auto _ : state) benchmark::DoNotOptimize(fixture.store().get(absent[number++ % kKeys], value));
}

// Each put is of a new key and evicts.
void PutEvicting(benchmark::State& state) {
  Fixture fixture(static_cast<std::size_t>(state.range(0)));
  const auto put_new = [&](std::size_t number) {
    fixture.store().put("cache_me:table:atlas.city:" + std::to_string(number), fixture.value());
  };
  std::size_t number = 0;
  while (fixture.store().stats().evictions == 0) put_new(number++);
  for (auto _ : state) put_new(number++);
}

BENCHMARK(GetHit)->Arg(100)->Arg(1000)->Arg(10'000);
BENCHMARK(GetHitTwoProcesses)->Arg(100)->Arg(1000)->Arg(10'000)->UseRealTime();
BENCHMARK(GetMiss);
BENCHMARK(Put)->Arg(100)->Arg(1000)->Arg(10'000);
BENCHMARK(PutTwoProcesses)->Arg(100)->Arg(1000)->Arg(10'000)->UseRealTime();
BENCHMARK(PutEvicting)->Arg(100)->Arg(1000)->Arg(10'000);

}  // namespace
}  // namespace cache_me
