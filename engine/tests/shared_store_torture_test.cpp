// Many processes use one store at random and are killed at random instants; the store must stay sound.
//
// CACHE_ME_TORTURE_SECONDS lengthens the run (3 by default).
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "cache_me/hash.hpp"
#include "cache_me/shared_store.hpp"
#include "process_support.hpp"

namespace cache_me {
namespace {

using testing::Child;
using testing::TemporaryDirectory;

constexpr std::uint64_t kKeys = 400;
constexpr std::size_t kProcesses = 4;

// A value that says which key it is of, and proves that it is whole.
std::string value_of(const std::string& key, std::uint64_t random) {
  const std::size_t size = random % 100 == 0 ? 40'000 : random % 3000;
  std::string value = key + ":" + std::to_string(random) + ":";
  value.resize(value.size() + size, static_cast<char>('a' + random % 26));
  const std::uint64_t proof = hash64(value, 77);
  value.append(reinterpret_cast<const char*>(&proof), sizeof proof);
  return value;
}

bool is_value_of(const std::string& key, const std::string& value) {
  if (value.size() < 8 || value.compare(0, key.size() + 1, key + ":") != 0) return false;
  const std::uint64_t proof = hash64(std::string_view(value).substr(0, value.size() - 8), 77);
  return value.compare(value.size() - 8, 8, reinterpret_cast<const char*>(&proof), 8) == 0;
}

class SharedStoreTorture : public ::testing::Test {
 protected:
  SharedStoreTorture() {
    options_.capacity = 512 << 10;  // much less than is put, so that eviction never rests
    options_.shards = 4;
    store_ = open();
  }
  std::shared_ptr<SharedStore> open() {
    auto store = SharedStore::open(directory_ / "django_cache_me.entries.torture", options_);
    EXPECT_TRUE(store.ok()) << store.status().message();
    return store.value();
  }
  static std::string KeyOf(std::uint64_t number) { return "key" + std::to_string(number); }

  // Ends the process if it meets anything that must not be; otherwise never returns.
  static void Use(SharedStore& store, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string value;
    for (;;) {
      const std::string key = KeyOf(random() % kKeys);
      switch (random() % 32) {
        case 0:
          store.erase(key);
          break;
        case 1:
          store.put_if(key, value_of(key, random()), 5, PutCondition::if_absent);
          break;
        case 2:
          if (random() % 1000 == 0) store.clear();
          break;
        case 3:
          if (random() % 200 == 0) {
            store.for_each([](const std::string&, std::size_t, std::optional<std::uint64_t>) {});
          }
          if (random() % 200 == 0) store.clear(key);
          break;
        case 4:
          store.update(key, [&](UpdatedEntry& entry) {
            if (entry.present && !is_value_of(key, entry.value)) ::_exit(1);
            if (random() % 8 == 0) return UpdateAction::erase;
            if (random() % 2 == 0) entry.ttl_ms = random() % 50;
            entry.value = value_of(key, random());
            return UpdateAction::replace;
          });
          break;
        case 5:
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
        case 11:
          store.put(key, value_of(key, random()), random() % 2 == 0 ? 0 : random() % 50);
          break;
        default:
          if (store.get(key, value) && !is_value_of(key, value)) ::_exit(1);
      }
    }
  }
  std::unique_ptr<Child> Start(std::uint64_t seed) {
    return std::make_unique<Child>([this, seed](Child&) {
      // Half of them open for themselves, half go on with what they inherited; in two threads each.
      const std::shared_ptr<SharedStore> own = seed % 2 == 0 ? store_ : open();
      std::thread sibling([own, seed] { Use(*own, ~seed); });
      Use(*own, seed);
      return false;
    });
  }
  static std::chrono::milliseconds Duration() {
    const char* const seconds = std::getenv("CACHE_ME_TORTURE_SECONDS");
    return std::chrono::milliseconds(seconds == nullptr ? 3'000 : 1'000 * std::atoi(seconds));
  }

  void ExpectSound() {
    const Status status = store_->check();
    EXPECT_TRUE(status.ok()) << status.message();
    std::string value;
    for (std::uint64_t number = 0; number < kKeys; ++number) {
      if (store_->get(KeyOf(number), value)) {
        EXPECT_TRUE(is_value_of(KeyOf(number), value)) << KeyOf(number);
      }
    }
    std::set<std::string> seen;
    store_->for_each([&](const std::string& key, std::size_t, std::optional<std::uint64_t>) {
      EXPECT_TRUE(seen.insert(key).second) << key;
    });
    EXPECT_LE(seen.size(), store_->stats().entries);
    // Every shard works: that many keys meet all of them.
    for (std::uint64_t number = 0; number < 90; ++number) {
      const std::string key = KeyOf(number);
      EXPECT_EQ(store_->put(key, value_of(key, number + 1)), PutOutcome::stored) << key;
      EXPECT_TRUE(store_->get(key, value) && is_value_of(key, value)) << key;
    }
  }

  TemporaryDirectory directory_;
  SharedStore::Options options_;
  std::shared_ptr<SharedStore> store_;
};

TEST_F(SharedStoreTorture, KillingProcessesAtAnyInstantLeavesASoundStore) {
  std::mt19937_64 random(std::random_device{}());
  std::vector<std::unique_ptr<Child>> children;
  std::uint64_t seed = random();
  for (std::size_t number = 0; number < kProcesses; ++number) children.push_back(Start(seed++));

  const auto end = std::chrono::steady_clock::now() + Duration();
  int killed = 0;
  while (std::chrono::steady_clock::now() < end) {
    ::usleep(static_cast<useconds_t>(random() % 8'000));
    std::unique_ptr<Child>& victim = children[random() % kProcesses];
    if (random() % 8 == 0) {  // stopped for a while, so that others meet a living holder that doesn't go on
      ::kill(victim->pid(), SIGSTOP);
      ::usleep(static_cast<useconds_t>(random() % 30'000));
      if (random() % 2 == 0) ::kill(victim->pid(), SIGCONT);
    }
    ::kill(victim->pid(), SIGKILL);
    EXPECT_TRUE(victim->was_killed()) << "a process got something wrong before it was killed";
    ++killed;
    victim = Start(seed++);
    if (killed % 50 == 0) {
      const Status status = store_->check();
      EXPECT_TRUE(status.ok()) << status.message();
    }
  }
  for (std::unique_ptr<Child>& child : children) {
    ::kill(child->pid(), SIGKILL);
    EXPECT_TRUE(child->was_killed());
  }

  const SharedStoreStats stats = store_->stats();
  RecordProperty("killed", killed);
  RecordProperty("recovered", static_cast<int>(stats.recovered));
  std::printf("%d killed, %llu shards recovered, %llu gets, %llu puts, %llu evictions, %llu busy\n", killed,
              static_cast<unsigned long long>(stats.recovered), static_cast<unsigned long long>(stats.gets),
              static_cast<unsigned long long>(stats.puts), static_cast<unsigned long long>(stats.evictions),
              static_cast<unsigned long long>(stats.busy));
  EXPECT_GT(killed, 10);
  EXPECT_GT(stats.hits, 0u);
  EXPECT_GT(stats.evictions, 0u);
  EXPECT_EQ(stats.corrupt, 0u);  // whoever is killed leaves no contradiction that isn't marked
  ExpectSound();
}

}  // namespace
}  // namespace cache_me
