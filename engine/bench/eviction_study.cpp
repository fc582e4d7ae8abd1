// Which policy should the store evict by? Runs each of eviction_policies.hpp over the same synthetic traces
// and prints hit ratios and speed as Markdown. The traces come from fixed seeds and integer arithmetic over
// one generator, so the ratios are the same on every run; the speeds are this machine's.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>

#include "eviction_policies.hpp"

namespace cache_me::study {
namespace {

constexpr std::uint32_t kKeys = 100'000;
constexpr std::size_t kRequests = 1'000'000;
constexpr std::size_t kWarmUp = kRequests / 5;  // not counted in the hit ratio
constexpr std::uint32_t kUsualBytes = 1000;     // four blocks, which the store takes for the usual entry

struct Request {
  std::uint32_t key;
  bool stale;  // the key was written to since it was last asked for
};

struct Trace {
  std::string name;
  std::vector<Request> requests;
  std::vector<std::uint32_t> bytes;  // by key
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() noexcept { return mix64(state_ += 0x9E3779B97F4A7C15ULL); }
  std::uint32_t below(std::uint32_t limit) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * limit) >> 32);
  }
  double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

class Zipf {
 public:
  explicit Zipf(double exponent) : sums_(kKeys) {
    double sum = 0;
    for (std::uint32_t i = 0; i < kKeys; ++i) sums_[i] = sum += std::pow(i + 1.0, -exponent);
  }
  std::uint32_t rank(Random& random) const {
    const double at = random.unit() * sums_.back();
    return static_cast<std::uint32_t>(std::upper_bound(sums_.begin(), sums_.end() - 1, at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

// Ranks to keys, so that a scan in the keys' order is none in the order of popularity.
std::vector<std::uint32_t> shuffled_keys(Random& random) {
  std::vector<std::uint32_t> keys(kKeys);
  for (std::uint32_t i = 0; i < kKeys; ++i) keys[i] = i;
  for (std::uint32_t i = kKeys - 1; i > 0; --i) std::swap(keys[i], keys[random.below(i + 1)]);
  return keys;
}

Trace empty_trace(std::string name, std::uint32_t keys = kKeys) {
  Trace trace{std::move(name), {}, std::vector<std::uint32_t>(keys, kUsualBytes)};
  trace.requests.reserve(kRequests);
  return trace;
}

Trace zipf(double exponent) {
  char name[32];
  std::snprintf(name, sizeof name, "Zipf %.1f", exponent);
  Trace trace = empty_trace(name);
  Random random(static_cast<std::uint64_t>(exponent * 10 + 0.5));
  const std::vector<std::uint32_t> keys = shuffled_keys(random);
  const Zipf ranks(exponent);
  while (trace.requests.size() < kRequests) trace.requests.push_back({keys[ranks.rank(random)], false});
  return trace;
}

// Like an export or a crawler among the usual requests: after each 150,000 of these, every key once.
Trace zipf_with_scans() {
  Trace trace = empty_trace("Zipf 1.0 and full scans");
  Random random(101);
  const std::vector<std::uint32_t> keys = shuffled_keys(random);
  const Zipf ranks(1.0);
  while (trace.requests.size() < kRequests) {
    for (int i = 0; i < 150'000; ++i) trace.requests.push_back({keys[ranks.rank(random)], false});
    for (std::uint32_t key = 0; key < kKeys; ++key) trace.requests.push_back({key, false});
  }
  return trace;
}

Trace loop(double cache_share) {
  Trace trace = empty_trace("Loop of 1.1 caches");
  const auto length = static_cast<std::uint32_t>(kKeys * cache_share * 1.1);
  for (std::uint32_t i = 0; i < kRequests; ++i) trace.requests.push_back({i % length, false});
  return trace;
}

// The ranks move on over the keys: every 100,000 requests the most popular tenth of them is new.
Trace shifting() {
  Trace trace = empty_trace("Zipf 1.0, shifting");
  Random random(102);
  const std::vector<std::uint32_t> keys = shuffled_keys(random);
  const Zipf ranks(1.0);
  for (std::size_t i = 0; i < kRequests; ++i) {
    const std::size_t shift = i / 100'000 * (kKeys / 10);
    trace.requests.push_back({keys[(ranks.rank(random) + shift) % kKeys], false});
  }
  return trace;
}

Trace sizes() {
  Trace trace = zipf(1.0);
  trace.name = "Zipf 1.0, 200 B to 50 KB";
  Random random(103);
  for (std::uint32_t& bytes : trace.bytes) {
    bytes = static_cast<std::uint32_t>(200 * std::pow(250.0, random.unit()));
  }
  return trace;
}

// Before every `period`-th request a write invalidates `group` keys: that of a row, drawn as the requests'
// are, or all of a table's.
Trace writes(std::string name, std::size_t period, std::uint32_t group) {
  Trace trace = empty_trace(std::move(name));
  Random random(104);
  const std::vector<std::uint32_t> keys = shuffled_keys(random);
  const Zipf ranks(1.0);
  std::vector<bool> stale(kKeys, false);
  for (std::size_t i = 0; i < kRequests; ++i) {
    if (i % period == 0) {
      const std::uint32_t first = group == 1 ? keys[ranks.rank(random)] : random.below(kKeys / group) * group;
      for (std::uint32_t key = first; key < first + group; ++key) stale[key] = true;
    }
    const std::uint32_t key = keys[ranks.rank(random)];
    trace.requests.push_back({key, stale[key]});
    stale[key] = false;
  }
  return trace;
}

struct Figures {
  double hit_percent;
  double ns;
};

template <class Policy>
Figures run(const Trace& trace, Capacity capacity) {
  Policy policy(capacity);
  const std::vector<Request>& requests = trace.requests;
  std::size_t hits = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < kWarmUp; ++i) {
    policy.request(requests[i].key, trace.bytes[requests[i].key], requests[i].stale);
  }
  for (std::size_t i = kWarmUp; i < kRequests; ++i) {
    hits += policy.request(requests[i].key, trace.bytes[requests[i].key], requests[i].stale);
  }
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
  return {100.0 * static_cast<double>(hits) / static_cast<double>(kRequests - kWarmUp),
          spent.count() / static_cast<double>(kRequests)};
}

struct Row {
  std::string name;
  double share;
  std::vector<Figures> figures;
};

template <class... Policies>
struct Study {
  std::vector<Row> rows;

  void measure(const Trace& trace, double share) {
    std::uint64_t blocks = 0;
    for (const std::uint32_t bytes : trace.bytes) blocks += Shard::blocks_for(bytes);
    const Capacity capacity{static_cast<std::uint64_t>(static_cast<double>(blocks) * share),
                            static_cast<std::uint64_t>(static_cast<double>(trace.bytes.size()) * share)};
    rows.push_back({trace.name, share, {run<Policies>(trace, capacity)...}});
    std::fprintf(stderr, "%s, %.0f %%\n", trace.name.c_str(), share * 100);
  }

  void print(double Figures::*field, int digits) const {
    std::printf("| trace | cache |");
    for (const char* name : {Policies::kName...}) std::printf(" %s |", name);
    std::printf("\n|---|---|");
    for (std::size_t i = 0; i < sizeof...(Policies); ++i) std::printf("---|");
    std::printf("\n");
    for (const Row& row : rows) {
      std::printf("| %s | %.0f %% |", row.name.c_str(), row.share * 100);
      for (const Figures& figures : row.figures) std::printf(" %.*f |", digits, figures.*field);
      std::printf("\n");
    }
    std::printf("| **mean** | |");
    for (std::size_t i = 0; i < sizeof...(Policies); ++i) {
      double sum = 0;
      for (const Row& row : rows) sum += row.figures[i].*field;
      std::printf(" %.*f |", digits, sum / static_cast<double>(rows.size()));
    }
    std::printf("\n");
  }
};

void study() {
  Study<Fifo, Lru, Sieve, RenewingSieve, S3Fifo, SlotS3Fifo, WTinyLfu> study;
  const auto both = [&](const Trace& trace) {
    for (const double share : {0.01, 0.1}) study.measure(trace, share);
  };
  for (const double exponent : {0.8, 0.9, 1.0, 1.1, 1.2}) both(zipf(exponent));
  both(zipf_with_scans());
  for (const double share : {0.01, 0.1}) study.measure(loop(share), share);
  both(shifting());
  both(sizes());
  both(writes("Zipf 1.0, writes to rows", 10, 1));
  both(writes("Zipf 1.0, writes to tables", 100, 100));
  std::printf("Hit ratio in percent (%zu requests after %zu to warm up):\n\n", kRequests - kWarmUp, kWarmUp);
  study.print(&Figures::hit_percent, 1);
  std::printf("\nNanoseconds per request:\n\n");
  study.print(&Figures::ns, 0);
}

}  // namespace
}  // namespace cache_me::study

int main() {
  cache_me::study::study();
}
