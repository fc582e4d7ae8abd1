// SharedStore::update() and clear(prefix): what the store does in one step for others.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "cache_me/shared_store.hpp"
#include "process_support.hpp"

namespace cache_me {
namespace {

using testing::Child;
using testing::TemporaryDirectory;

class SharedStoreUpdateTest : public ::testing::Test {
 protected:
  SharedStoreUpdateTest() {
    options_.capacity = 1 << 20;
    store_ = open();
  }
  std::shared_ptr<SharedStore> open() {
    auto store = SharedStore::open(directory_ / "django_cache_me.entries.test", options_);
    EXPECT_TRUE(store.ok()) << store.status().message();
    return store.ok() ? store.value() : nullptr;
  }
  std::string Get(std::string_view key) {
    std::string value;
    return store_->get(key, value) ? value : "(miss)";
  }
  std::optional<std::uint64_t> TimeLeft(std::string_view key) {
    std::optional<std::uint64_t> left = 0;
    store_->for_each([&](const std::string& visited, std::size_t, std::optional<std::uint64_t> ttl_ms) {
      if (visited == key) left = ttl_ms;
    });
    return left;
  }
  PutOutcome Replace(std::string_view key, std::string value, std::optional<std::uint64_t> ttl_ms = {}) {
    return store_->update(key, [&](UpdatedEntry& entry) {
      entry.value = value;
      entry.ttl_ms = ttl_ms;
      return UpdateAction::replace;
    });
  }
  // As a counter does it. False: the entry wasn't there, or the store busy.
  static bool Add(SharedStore& store, std::string_view key, std::uint64_t number) {
    return store.update(key, [&](UpdatedEntry& entry) {
      if (!entry.present) return UpdateAction::keep;
      std::uint64_t sum = 0;
      std::memcpy(&sum, entry.value.data(), sizeof sum);
      sum += number;
      std::memcpy(entry.value.data(), &sum, sizeof sum);
      return UpdateAction::replace;
    }) == PutOutcome::stored;
  }
  static std::string Number(std::uint64_t number) {
    return std::string(reinterpret_cast<const char*>(&number), sizeof number);
  }
  std::uint64_t NumberAt(std::string_view key) {
    std::string value;
    std::uint64_t number = ~std::uint64_t{0};
    if (store_->get(key, value) && value.size() == sizeof number) {
      std::memcpy(&number, value.data(), sizeof number);
    }
    return number;
  }
  void Sound() {
    const Status status = store_->check();
    EXPECT_TRUE(status.ok()) << status.message();
  }

  TemporaryDirectory directory_;
  SharedStore::Options options_;
  std::shared_ptr<SharedStore> store_;
};

// --- One step

TEST_F(SharedStoreUpdateTest, ShowsTheEntryAndStoresWhatBecomesOfIt) {
  store_->put("a", "1");
  EXPECT_EQ(store_->update("a",
                           [](UpdatedEntry& entry) {
                             EXPECT_TRUE(entry.present);
                             entry.value += "2";
                             return UpdateAction::replace;
                           }),
            PutOutcome::stored);
  EXPECT_EQ(Get("a"), "12");
  Sound();
}

TEST_F(SharedStoreUpdateTest, ShowsThatThereIsNone) {
  EXPECT_EQ(store_->update("a",
                           [](UpdatedEntry& entry) {
                             EXPECT_FALSE(entry.present);
                             EXPECT_EQ(entry.value, "");
                             return UpdateAction::keep;
                           }),
            PutOutcome::kept);
  EXPECT_EQ(Get("a"), "(miss)");
  EXPECT_EQ(Replace("a", "1"), PutOutcome::stored);
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(TimeLeft("a"), std::nullopt);
  Sound();
}

TEST_F(SharedStoreUpdateTest, KeepsOrErasesAsItIsTold) {
  store_->put("a", "1");
  const auto keep = [](UpdatedEntry& entry) {
    entry.value = "changed all the same";
    return UpdateAction::keep;
  };
  EXPECT_EQ(store_->update("a", keep), PutOutcome::kept);
  EXPECT_EQ(Get("a"), "1");
  const auto erase = [](UpdatedEntry&) { return UpdateAction::erase; };
  EXPECT_EQ(store_->update("a", erase), PutOutcome::erased);
  EXPECT_EQ(Get("a"), "(miss)");
  EXPECT_EQ(store_->update("a", erase), PutOutcome::kept);
  EXPECT_EQ(store_->stats().entries, 0u);
  Sound();
}

TEST_F(SharedStoreUpdateTest, ForgetsTheOldValueIfTheNewOneIsTooLarge) {
  store_->put("a", "1");
  EXPECT_EQ(Replace("a", std::string(1 << 20, 'x')), PutOutcome::too_large);
  EXPECT_EQ(Get("a"), "(miss)");
  Sound();
}

TEST_F(SharedStoreUpdateTest, TheEndStaysUnlessANewOneIsSaid) {
  store_->put("a", "1", 60'000);
  ::usleep(20'000);
  EXPECT_EQ(Replace("a", "2"), PutOutcome::stored);
  EXPECT_GT(TimeLeft("a"), 0u);
  EXPECT_LE(TimeLeft("a"), 59'990u);
  EXPECT_EQ(Replace("a", "3", 90'000), PutOutcome::stored);
  EXPECT_GT(TimeLeft("a"), 60'000u);
  EXPECT_EQ(Replace("a", "4", 0), PutOutcome::stored);
  EXPECT_EQ(TimeLeft("a"), std::nullopt);
  EXPECT_EQ(Replace("a", "5", 20), PutOutcome::stored);
  ::usleep(40'000);
  EXPECT_EQ(Get("a"), "(miss)");
}

TEST_F(SharedStoreUpdateTest, AnExpiredEntryIsNotThereAndItsEndIsForgotten) {
  store_->put("a", "1", 10);
  ::usleep(30'000);
  bool present = true;
  store_->update("a", [&](UpdatedEntry& entry) {
    present = entry.present;
    entry.value = "2";
    return UpdateAction::replace;
  });
  EXPECT_FALSE(present);
  EXPECT_EQ(Get("a"), "2");
  EXPECT_EQ(TimeLeft("a"), std::nullopt);
}

TEST_F(SharedStoreUpdateTest, ADamagedEntryIsNotThereAndIsCounted) {
  const std::string value = "a value that is easy to find";
  store_->put("a", value);
  const std::string_view bytes(reinterpret_cast<const char*>(store_->file().data()), store_->file().size());
  store_->file().data()[bytes.find(value) + 5] ^= std::byte{1};
  bool present = true;
  store_->update("a", [&](UpdatedEntry& entry) {
    present = entry.present || !entry.value.empty();
    return UpdateAction::keep;
  });
  EXPECT_FALSE(present);
  EXPECT_EQ(store_->stats().corrupt, 1u);
  EXPECT_EQ(store_->stats().entries, 0u);
  Sound();
}

// --- Nobody gets in between

TEST_F(SharedStoreUpdateTest, NoThreadsAdditionIsLost) {
  store_->put("n", Number(0));
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> done{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5'000; ++round) done += Add(*store_, "n", 1) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(done, 0u);
  EXPECT_EQ(NumberAt("n"), done);
  Sound();
}

TEST_F(SharedStoreUpdateTest, NoProcessesAdditionIsLost) {
  constexpr std::uint64_t kRounds = 5'000;
  store_->put("n", Number(0));
  std::vector<std::unique_ptr<Child>> children;
  for (int number = 0; number < 3; ++number) {
    children.push_back(std::make_unique<Child>([&](Child& self) {
      const std::shared_ptr<SharedStore> own = open();
      self.wait_for_word();
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        while (!Add(*own, "n", 1)) ::usleep(100);  // busy: not done, so it's to be done again
      }
      return true;
    }));
  }
  for (const auto& child : children) child->go_on();
  for (const auto& child : children) EXPECT_TRUE(child->passed());
  EXPECT_EQ(NumberAt("n"), 3 * kRounds);
  Sound();
}

TEST_F(SharedStoreUpdateTest, AKilledProcessLeavesAWholeNumberOrNone) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 60; ++round) {
    store_->put("n", Number(7'000));
    Child child([&](Child& self) {
      self.report();
      for (;;) Add(*store_, "n", 7'000);
      return true;
    });
    child.wait_for_report();
    ::usleep(static_cast<useconds_t>(random() % 3'000));
    child.kill();
    const std::uint64_t number = NumberAt("n");
    EXPECT_TRUE(number == ~std::uint64_t{0} || (number > 0 && number % 7'000 == 0)) << number;
    Sound();
  }
  EXPECT_EQ(store_->stats().corrupt, 0u);
}

// --- Clearing by prefix

TEST_F(SharedStoreUpdateTest, ClearByPrefixTakesExactlyThatAway) {
  const std::string nul(1, '\0');
  const std::string longer(300, 'p');  // more than fits beside an entry's head
  for (int number = 0; number < 300; ++number) {
    const std::string name = std::to_string(number);
    store_->put(nul + name, std::string(static_cast<std::size_t>(number), 'x'));
    store_->put("b" + name, "kept");
    store_->put(longer + "1" + name, "1");
    store_->put(longer + "2" + name, "2");
  }
  store_->put("", "the empty key");
  EXPECT_TRUE(store_->clear(nul));
  EXPECT_TRUE(store_->clear(longer + "2"));
  for (int number = 0; number < 300; ++number) {
    const std::string name = std::to_string(number);
    EXPECT_EQ(Get(nul + name), "(miss)");
    EXPECT_EQ(Get("b" + name), "kept");
    EXPECT_EQ(Get(longer + "1" + name), "1");
    EXPECT_EQ(Get(longer + "2" + name), "(miss)");
  }
  EXPECT_EQ(store_->stats().entries, 601u);
  Sound();
  EXPECT_TRUE(store_->clear(std::string_view()));
  EXPECT_EQ(store_->stats().entries, 0u);
  EXPECT_EQ(store_->stats().bytes_used, 0u);
  Sound();
}

TEST_F(SharedStoreUpdateTest, ClearByPrefixLeavesNothingThatWasThereWhileOthersPut) {
  for (int number = 0; number < 400; ++number) store_->put("old" + std::to_string(number), "1");
  Child other([&](Child& self) {
    for (int number = 0;; ++number) {
      if (number == 500) self.report();
      store_->put("new" + std::to_string(number % 500), std::string(900, 'x'));
    }
    return true;
  });
  other.wait_for_report();
  // A shard is busy for as long as its holder doesn't run.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool cleared = store_->clear("old");
  while (!cleared && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    cleared = store_->clear("old");
  }
  EXPECT_TRUE(cleared);
  store_->for_each([](const std::string& key, std::size_t, std::optional<std::uint64_t>) {
    EXPECT_NE(key.substr(0, 3), "old");
  });
  std::size_t others = 0;
  for (int number = 0; number < 500; ++number) others += Get("new" + std::to_string(number)) != "(miss)";
  EXPECT_GT(others, 100u);
  other.kill();
  Sound();
}

}  // namespace
}  // namespace cache_me
