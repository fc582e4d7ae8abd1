#include "cache_me/shared_store.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "process_support.hpp"

namespace cache_me {
namespace {

using testing::Child;
using testing::run_in_child;
using testing::TemporaryDirectory;

class SharedStoreTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kCapacity = 1 << 20;

  SharedStoreTest() { options_.capacity = kCapacity; }

  std::string path() const { return directory_ / "django_cache_me.entries.test"; }
  std::shared_ptr<SharedStore> open() {
    auto store = SharedStore::open(path(), options_);
    EXPECT_TRUE(store.ok()) << store.status().message();
    return store.ok() ? store.value() : nullptr;
  }
  SharedStore& store() {
    if (!store_) store_ = open();
    return *store_;
  }
  void reopen() { store_ = open(); }

  void Put(std::string_view key, std::string_view value, std::uint64_t ttl_ms = 0) {
    EXPECT_EQ(store().put(key, value, ttl_ms), PutOutcome::stored) << key;
  }
  bool Has(std::string_view key) {
    std::string value;
    return store().get(key, value);
  }
  std::string Get(std::string_view key) {
    std::string value;
    return store().get(key, value) ? value : "(miss)";
  }
  void Hit(std::string_view key, std::string_view value) { EXPECT_EQ(Get(key), value) << key; }
  void Miss(std::string_view key) { EXPECT_FALSE(Has(key)) << key; }
  void Sound() {
    const Status status = store().check();
    EXPECT_TRUE(status.ok()) << status.message();
  }
  void Overwrite(std::uint64_t offset, std::uint64_t number, std::size_t size) {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(reinterpret_cast<const char*>(&number), static_cast<std::streamsize>(size));
    ASSERT_TRUE(file.good());
  }
  void FailToOpen(StatusCode code, const std::string& word) {
    const auto store = SharedStore::open(path(), options_);
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.status().code(), code) << store.status().message();
    EXPECT_NE(store.status().message().find(word), std::string::npos) << store.status().message();
  }
  static std::string Text(std::size_t size, std::uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::string text(size, '\0');
    for (char& byte : text) byte = static_cast<char>(random());
    return text;
  }

  TemporaryDirectory directory_;
  SharedStore::Options options_;
  std::shared_ptr<SharedStore> store_;
};

// --- Bytes in, bytes out

TEST_F(SharedStoreTest, GivesBackWhatWasPut) {
  Miss("a");
  Put("a", "1");
  Put("b", "2");
  Hit("a", "1");
  Hit("b", "2");
  Miss("c");
  Sound();
}

TEST_F(SharedStoreTest, KeepsEverySizeUpToAQuarterOfAShard) {
  options_.shards = 1;
  for (const std::size_t size :
       std::initializer_list<std::size_t>{0, 1, 195, 196, 197, 198, 443, 444, 445, 446, 10'000, 200'000}) {
    const std::string value = Text(size, size);
    Put("key", value);
    Hit("key", value);
    Sound();
  }
}

TEST_F(SharedStoreTest, KeepsKeysOfAnyLengthAndBytes) {
  const std::string keys[] = {"",        std::string(1, '\0'), std::string(2, '\0'), Text(200), Text(201),
                              Text(3000)};
  for (const std::string& key : keys) Put(key, "value of " + key);
  for (const std::string& key : keys) Hit(key, "value of " + key);
  std::string longer = Text(3000);
  longer.back() = static_cast<char>(longer.back() ^ 1);
  Miss(longer);
  Sound();
}

TEST_F(SharedStoreTest, PutReplaces) {
  Put("a", Text(5000));
  const auto used = store().stats().bytes_used;
  Put("a", "short");
  Hit("a", "short");
  EXPECT_LT(store().stats().bytes_used, used);
  EXPECT_EQ(store().stats().entries, 1u);
  Sound();
}

TEST_F(SharedStoreTest, EraseTakesOneEntryAway) {
  Put("a", "1");
  Put("b", Text(3000));
  EXPECT_EQ(store().erase("b"), PutOutcome::erased);
  EXPECT_EQ(store().erase("b"), PutOutcome::kept);
  Miss("b");
  Hit("a", "1");
  Sound();
}

TEST_F(SharedStoreTest, ClearTakesAllAway) {
  for (int number = 0; number < 100; ++number) Put("key" + std::to_string(number), Text(1000));
  EXPECT_TRUE(store().clear());
  EXPECT_EQ(store().stats().entries, 0u);
  EXPECT_EQ(store().stats().bytes_used, 0u);
  Miss("key7");
  Put("key7", "again");
  Hit("key7", "again");
  Sound();
}

TEST_F(SharedStoreTest, PutIfHeedsWhetherTheKeyIsThere) {
  EXPECT_EQ(store().put_if("a", "1", 0, PutCondition::if_present), PutOutcome::kept);
  Miss("a");
  EXPECT_EQ(store().put_if("a", "2", 0, PutCondition::if_absent), PutOutcome::stored);
  EXPECT_EQ(store().put_if("a", "3", 0, PutCondition::if_absent), PutOutcome::kept);
  Hit("a", "2");
  EXPECT_EQ(store().put_if("a", "4", 0, PutCondition::if_present), PutOutcome::stored);
  Hit("a", "4");
}

TEST_F(SharedStoreTest, RefusesWhatIsTooLargeAndForgetsWhatItWouldHaveReplaced) {
  Put("a", "1");
  EXPECT_EQ(store().put("a", Text(kCapacity / 16)), PutOutcome::too_large);
  Miss("a");
  EXPECT_EQ(store().put("b", Text(2 * kCapacity)), PutOutcome::too_large);
  Sound();
}

// --- Expiry

TEST_F(SharedStoreTest, AnEntryExpires) {
  Put("soon", "1", 20);
  Put("later", "2", 3'600'000);
  Put("never", "3");
  Put("endless", "4", ~std::uint64_t{0});
  ::usleep(30'000);
  Miss("soon");
  Hit("later", "2");
  Hit("never", "3");
  Hit("endless", "4");
  EXPECT_EQ(store().stats().expirations, 1u);
  EXPECT_EQ(store().stats().entries, 3u);
  Sound();
}

TEST_F(SharedStoreTest, AnExpiredEntryCountsAsAbsent) {
  Put("a", "1", 1);
  Put("b", "1", 1);
  Put("c", "1", 1);
  ::usleep(5'000);
  EXPECT_EQ(store().erase("a"), PutOutcome::kept);
  EXPECT_EQ(store().put_if("b", "2", 0, PutCondition::if_present), PutOutcome::kept);
  EXPECT_EQ(store().put_if("b", "3", 0, PutCondition::if_absent), PutOutcome::stored);
  Hit("b", "3");
  std::size_t visited = 0;
  store().for_each([&](const std::string&, std::size_t, std::optional<std::uint64_t>) { ++visited; });
  EXPECT_EQ(visited, 1u);
}

TEST_F(SharedStoreTest, ForEachSaysKeySizeAndTimeLeft) {
  std::map<std::string, std::size_t> expected;
  for (std::size_t number = 0; number < 300; ++number) {
    const std::string key = "key" + std::to_string(number);
    Put(key, Text(number), number % 2 == 0 ? 0 : 60'000);
    expected[key] = number;
  }
  std::map<std::string, std::size_t> seen;
  store().for_each([&](const std::string& key, std::size_t size, std::optional<std::uint64_t> ttl_ms) {
    EXPECT_TRUE(seen.emplace(key, size).second) << key;
    EXPECT_EQ(ttl_ms.has_value(), size % 2 == 1);
    EXPECT_TRUE(!ttl_ms || (*ttl_ms > 0 && *ttl_ms <= 60'000));
    EXPECT_TRUE(Has(key));  // the store may be used meanwhile
  });
  EXPECT_EQ(seen, expected);
}

// --- Eviction

TEST_F(SharedStoreTest, MakesRoomByEvictingOldEntries) {
  const std::string value = Text(1000);
  for (int number = 0; number < 5000; ++number) Put("key" + std::to_string(number), value);
  const SharedStoreStats stats = store().stats();
  EXPECT_GT(stats.evictions, 0u);
  EXPECT_EQ(stats.entries + stats.evictions, 5000u);
  EXPECT_EQ(stats.bytes_used, stats.entries * 5 * 256);  // 1000 bytes and a key take five blocks
  EXPECT_GT(stats.bytes_used, stats.capacity * 95 / 100);
  Miss("key0");
  Hit("key4999", value);
  Sound();
}

TEST_F(SharedStoreTest, KeepsWhatIsReadWhileOthersPassThrough) {
  const std::string value = Text(1000);
  for (int number = 0; number < 100; ++number) Put("hot" + std::to_string(number), value);
  for (int number = 0; number < 5000; ++number) {
    Put("cold" + std::to_string(number), value);
    if (number % 100 == 0) {
      for (int hot = 0; hot < 100; ++hot) Has("hot" + std::to_string(hot));
    }
  }
  int kept = 0;
  for (int number = 0; number < 100; ++number) kept += Has("hot" + std::to_string(number));
  EXPECT_EQ(kept, 100);
}

TEST_F(SharedStoreTest, EvictsEvenIfEverythingWasRead) {
  const std::string value = Text(100);
  for (int number = 0; number < 20'000; ++number) {
    const std::string key = "key" + std::to_string(number);
    Put(key, value);
    EXPECT_TRUE(Has(key));
  }
  Sound();
}

// --- Several processes

TEST_F(SharedStoreTest, TwoProcessesShareEntries) {
  Put("parent", "1");
  EXPECT_TRUE(run_in_child([&] {
    const auto own = SharedStore::open(path(), options_).value();
    std::string value;
    return own->get("parent", value) && value == "1" && own->put("child", "2") == PutOutcome::stored;
  }));
  Hit("child", "2");
}

TEST_F(SharedStoreTest, AForkedChildGoesOnWithTheSameObject) {
  Put("parent", "1");
  EXPECT_TRUE(run_in_child([&] {
    std::string value;
    return store().get("parent", value) && store().put("child", "2") == PutOutcome::stored;
  }));
  Hit("child", "2");
  Put("parent", "3");
  Hit("parent", "3");
}

TEST_F(SharedStoreTest, ThreadsShareOneObject) {
  options_.shards = 2;
  store();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      std::string value;
      for (int round = 0; round < 5'000; ++round) {
        const std::string key = "key" + std::to_string(random() % 200);
        switch (random() % 8) {
          case 0:
            store().erase(key);
            break;
          case 1:
          case 2:
            store().put(key, key + std::string(random() % 8000, 'x'));
            break;
          case 3:
            store().refresh_needed();
            break;
          default:
            if (store().get(key, value) && value.substr(0, key.size()) != key) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(store().stats().corrupt, 0u);
  EXPECT_EQ(store().stats().recovered, 0u);
  Sound();
}

TEST_F(SharedStoreTest, WithoutAnOwnerRecordItIsOfNoUseUntilOneComesFree) {
  auto hog = std::make_unique<OwnerRecords>(store().file(), OwnerRecords::Layout{4096, 4, 1024});
  while (hog->acquire().ok()) {
  }
  EXPECT_EQ(store().put("a", "1"), PutOutcome::unusable);
  Miss("a");
  EXPECT_EQ(store().erase("a"), PutOutcome::unusable);
  hog.reset();
  for (int tries = 0; tries < 1000 && store().put("a", "2") != PutOutcome::stored; ++tries) ::usleep(1000);
  Hit("a", "2");
}

TEST_F(SharedStoreTest, ClosingAllDescriptorsIsNoticedWithinALease) {
  EXPECT_TRUE(run_in_child([&] {
    Put("a", "1");
    const auto record_is_held = [&] {  // asked by another process, as it would ask
      return !run_in_child([&] {
        OwnerRecords others(store().file(), OwnerRecords::Layout{4096, 4, 1024});
        int taken = 0;
        while (others.acquire().ok()) ++taken;
        return taken == 1024;
      });
    };
    bool passed = record_is_held();
    for (int descriptor = 3; descriptor < 256; ++descriptor) ::close(descriptor);
    passed = passed && !record_is_held();
    ::usleep(1'100'000);
    passed = passed && !store().refresh_needed();
    std::string value;
    return passed && store().get("a", value) && record_is_held();
  }));
}

// A store of one shard, with a child that goes on doing `work` until it is caught with the shard's lock in
// its hands, and stopped there.
class CaughtHolderTest : public SharedStoreTest {
 protected:
  CaughtHolderTest() {
    options_.shards = 1;
    value_ = Text(200'000);
    Put("large", value_);
    Put("small", "1");
  }
  std::uint32_t Word(std::size_t offset) {
    return reinterpret_cast<std::atomic<std::uint32_t>*>(store().file().data() + 8192 + offset)->load();
  }
  void Catch(const std::function<void(SharedStore&)>& work, bool dirty) {
    child_ = std::make_unique<Child>([&](Child& self) {
      const auto own = SharedStore::open(path(), options_).value();
      self.report();
      for (;;) work(*own);
      return true;
    });
    child_->wait_for_report();
    for (int tries = 0; tries < 10'000; ++tries) {
      ::usleep(static_cast<useconds_t>(100 + tries % 97));
      ::kill(child_->pid(), SIGSTOP);
      int status = 0;
      ASSERT_EQ(::waitpid(child_->pid(), &status, WUNTRACED), child_->pid());
      ASSERT_TRUE(WIFSTOPPED(status));
      if (Word(0) != 0 && (Word(4) != 0) == dirty) return;
      ::kill(child_->pid(), SIGCONT);
    }
    FAIL() << "the child was never caught";
  }
  void CatchReading() {
    Catch([value = std::string()](SharedStore& own) mutable { own.get("large", value); }, false);
  }
  void CatchWriting() {
    Catch([this](SharedStore& own) { own.put("large", value_); }, true);
  }
  std::string value_;
  std::unique_ptr<Child> child_;
};

TEST_F(CaughtHolderTest, NobodyWaitsForAStoppedHolder) {
  CatchWriting();
  Miss("small");
  EXPECT_EQ(store().put("small", "2"), PutOutcome::busy);
  EXPECT_EQ(store().erase("small"), PutOutcome::busy);
  EXPECT_FALSE(store().clear());
  EXPECT_FALSE(store().clear("sm"));
  EXPECT_EQ(store().update("small", [](UpdatedEntry&) { return UpdateAction::erase; }), PutOutcome::busy);
  EXPECT_GE(store().stats().busy, 6u);
  EXPECT_EQ(store().stats().recovered, 0u);
  // What was refused wasn't done, and once the lock is free all is as before.
  ::kill(child_->pid(), SIGCONT);
  std::string value;
  for (int tries = 0; tries < 1000 && !store().get("small", value); ++tries) ::usleep(1000);
  EXPECT_EQ(value, "1");
}

TEST_F(CaughtHolderTest, ADeadReadersShardKeepsItsEntries) {
  CatchReading();
  child_->kill();
  Hit("small", "1");
  Hit("large", value_);
  EXPECT_EQ(store().stats().recovered, 0u);
  Sound();
}

TEST_F(CaughtHolderTest, ADeadWritersShardIsEmptied) {
  CatchWriting();
  child_->kill();
  Miss("small");
  EXPECT_EQ(store().stats().recovered, 1u);
  EXPECT_EQ(store().stats().entries, 0u);
  Put("small", "2");
  Hit("small", "2");
  Sound();
}

TEST_F(CaughtHolderTest, AForkedChildTakesOverFromADeadHolderToo) {
  CatchWriting();
  child_->kill();
  EXPECT_TRUE(run_in_child([&] { return store().put("small", "2") == PutOutcome::stored; }));
  Hit("small", "2");
}

// Containers that share the file have process numbers of their own: both of these are number 1.
TEST_F(CaughtHolderTest, HoldersInOtherPidNamespacesAreKnownByTheirLocks) {
  const int own = ::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  // The children of what `body` does are in a new namespace.
  const auto in_new_namespace = [own](const std::function<void()>& body) {
    if (own < 0 || ::unshare(CLONE_NEWPID) != 0) return false;
    body();
    return ::setns(own, CLONE_NEWPID) == 0;
  };
  if (!in_new_namespace([&] { CatchWriting(); })) GTEST_SKIP() << "only root can make pid namespaces";
  const auto put_as_number_one = [&] {
    PutOutcome outcome = PutOutcome::unusable;
    EXPECT_TRUE(in_new_namespace([&] {
      Child child([&](Child& self) {
        const auto store = SharedStore::open(path(), options_).value();
        self.report(static_cast<char>(store->put("small", "2")));
        return ::getpid() == 1;
      });
      outcome = static_cast<PutOutcome>(child.wait_for_report());
      EXPECT_TRUE(child.passed());
    }));
    return outcome;
  };
  EXPECT_EQ(put_as_number_one(), PutOutcome::busy) << "the holder lives, and is not itself";
  EXPECT_EQ(store().stats().recovered, 0u);
  child_->kill();
  EXPECT_EQ(put_as_number_one(), PutOutcome::stored);
  EXPECT_EQ(store().stats().recovered, 1u);
  Hit("small", "2");
  ::close(own);
}

// --- Opening

TEST_F(SharedStoreTest, AnExistingStoreKeepsItsSizeAndEntries) {
  Put("a", "1");
  store_.reset();
  options_.capacity = 8 * kCapacity;
  options_.shards = 3;
  EXPECT_FALSE(store().created());
  EXPECT_LE(store().file().size(), kCapacity);
  EXPECT_EQ(store().shards(), 15u);  // of at least 64 KiB each
  Hit("a", "1");
}

TEST_F(SharedStoreTest, ProcessesThatOpenAtOnceMeet) {
  std::vector<std::unique_ptr<Child>> children;
  for (int number = 0; number < 4; ++number) {
    children.push_back(std::make_unique<Child>([&, number](Child& self) {
      self.wait_for_word();
      const auto own = SharedStore::open(path(), options_);
      return own.ok() && own.value()->put("child" + std::to_string(number), "1") == PutOutcome::stored;
    }));
  }
  for (auto& child : children) child->go_on();
  for (auto& child : children) EXPECT_TRUE(child->passed());
  for (int number = 0; number < 4; ++number) Hit("child" + std::to_string(number), "1");
}

TEST_F(SharedStoreTest, AnOlderLayoutIsRetiredAndReplaced) {
  Put("a", "1");
  const auto old = store_;
  Overwrite(8, 0, 4);
  reopen();
  EXPECT_TRUE(store().created());
  Miss("a");
  std::string value;
  EXPECT_FALSE(old->get("a", value));
  EXPECT_EQ(old->put("a", "2"), PutOutcome::unusable);
  EXPECT_EQ(old->erase("a"), PutOutcome::unusable);
  EXPECT_TRUE(old->refresh_needed());
}

TEST_F(SharedStoreTest, ANewerLayoutIsLeftAlone) {
  Put("a", "1");
  Overwrite(8, 2, 4);
  FailToOpen(StatusCode::incompatible, "newer");
  Hit("a", "1");  // for those who have it
}

TEST_F(SharedStoreTest, ADamagedHeaderIsReplaced) {
  const std::pair<std::uint64_t, std::size_t> damages[] = {{0, 8},  {12, 4}, {16, 8}, {24, 8},
                                                           {32, 8}, {40, 4}, {48, 8}, {56, 8}};
  for (const auto& [offset, size] : damages) {
    Put("a", "1");
    Overwrite(offset, 0x5A5A5A5A, size);
    reopen();
    EXPECT_TRUE(store().created()) << offset;
    Miss("a");
    Put("a", "2");
    Hit("a", "2");
  }
}

TEST_F(SharedStoreTest, AFileThatWasCutShortIsReplaced) {
  Put("a", "1");
  store_.reset();
  ASSERT_EQ(::truncate(path().c_str(), 20'000), 0);
  EXPECT_TRUE(store().created());
  Put("a", "2");
  Hit("a", "2");
}

TEST_F(SharedStoreTest, SomebodyElsesFileIsLeftAlone) {
  const std::string other = directory_ / "letter.txt";
  std::ofstream(other) << std::string(10'000, 'x');
  const auto store = SharedStore::open(other, options_);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.status().code(), StatusCode::incompatible);
  EXPECT_EQ(std::filesystem::file_size(other), 10'000u);
}

TEST_F(SharedStoreTest, ALinkIsRefused) {
  ASSERT_EQ(::symlink("/dev/shm/elsewhere", path().c_str()), 0);
  FailToOpen(StatusCode::denied, path());
}

TEST_F(SharedStoreTest, RefusesSizesThatMakeNoSense) {
  options_.capacity = 1000;
  FailToOpen(StatusCode::invalid_argument, "1000");
  options_.capacity = kCapacity;
  options_.shards = 0;
  FailToOpen(StatusCode::invalid_argument, "shards");
}

TEST_F(SharedStoreTest, SaysWhenThePathLeadsElsewhere) {
  EXPECT_FALSE(store().refresh_needed());
  const auto old = store_;
  ASSERT_EQ(::unlink(path().c_str()), 0);
  ::usleep(1'100'000);  // a lease
  EXPECT_TRUE(old->refresh_needed());
  EXPECT_TRUE(old->refresh_needed());
  reopen();
  EXPECT_TRUE(store().created());
  EXPECT_FALSE(store().refresh_needed());
}

// --- Damage

class DamageTest : public SharedStoreTest {
 protected:
  static std::string KeyOf(std::uint64_t number) { return "key" + std::to_string(number); }
  static std::string ValueOf(std::uint64_t number) { return Text(number * 37 % 3000, number); }

  void Fill() {
    for (std::uint64_t number = 0; number < 500; ++number) Put(KeyOf(number), ValueOf(number));
  }
  // A random word of the shards becomes something that is likely to hurt.
  static void Scribble(SharedStore& store, std::mt19937_64& random) {
    const std::uint64_t words = (store.file().size() - 8192) / 4;
    std::uint64_t word = random() % words;
    if (random() % 2 == 0) {  // the shards' headers get more than their share
      const std::uint64_t region = words / store.shards();
      word = random() % store.shards() * region + random() % 32;
    }
    auto* const target = reinterpret_cast<std::atomic<std::uint32_t>*>(store.file().data() + 8192) + word;
    const auto bits = static_cast<std::uint32_t>(random());
    switch (random() % 5) {
      case 0:
        target->store(bits);
        break;
      case 1:
        target->store(bits % 300);
        break;  // perhaps a block
      case 2:
        target->fetch_xor(1u << bits % 32);
        break;
      case 3:
        target->store(~std::uint32_t{0});
        break;
      default:
        target->store(0);
    }
  }
  void UseAtRandom(SharedStore& store, std::mt19937_64& random) {
    const std::uint64_t number = random() % 500;
    std::string value;
    switch (random() % 16) {
      case 0:
        store.erase(KeyOf(number));
        break;
      case 5:
        if (random() % 64 == 0) store.clear(KeyOf(number));
        break;
      case 6:
        store.update(KeyOf(number), [&](UpdatedEntry& entry) {
          if (entry.present) {
            EXPECT_EQ(entry.value, ValueOf(number)) << number;
          }
          entry.value = ValueOf(number);
          return UpdateAction::replace;
        });
        break;
      case 1:
      case 2:
      case 3:
      case 4:
        store.put(KeyOf(number), ValueOf(number));
        break;
      default:
        if (store.get(KeyOf(number), value)) {
          ++hits_;
          EXPECT_EQ(value, ValueOf(number)) << number;
        }
    }
  }
  std::uint64_t hits_ = 0;
};

TEST_F(DamageTest, ADamagedValueIsAMissAndIsCounted) {
  const std::string value = Text(100);
  Put("a", value);
  const std::string_view bytes(reinterpret_cast<const char*>(store().file().data()), store().file().size());
  const std::size_t place = bytes.find(value);
  ASSERT_NE(place, std::string_view::npos);
  store().file().data()[place + 50] ^= std::byte{1};
  Miss("a");
  EXPECT_EQ(store().stats().corrupt, 1u);
  EXPECT_EQ(store().stats().entries, 0u);
  EXPECT_EQ(store().stats().hits, 0u);
  Put("a", value);
  Hit("a", value);
  Sound();
}

TEST_F(DamageTest, ScribblingAnywhereCostsEntriesAndNothingElse) {
  Fill();
  std::mt19937_64 random(7);
  for (int round = 0; round < 3'000; ++round) {
    Scribble(store(), random);
    for (int use = 0; use < 20; ++use) UseAtRandom(store(), random);
    if (round % 100 == 0)
      store().for_each([](const std::string&, std::size_t, std::optional<std::uint64_t>) {});
  }
  EXPECT_GT(store().stats().corrupt, 0u);
  EXPECT_GT(hits_, 1000u);
  EXPECT_TRUE(store().clear());
  for (std::uint64_t number = 0; number < 500; ++number) {
    Put(KeyOf(number), ValueOf(number));
    Hit(KeyOf(number), ValueOf(number));
  }
  Sound();
}

#ifndef __SANITIZE_THREAD__
TEST_F(DamageTest, ScribblingWhileItIsInUseDoesNoMore) {
  Fill();
  Child scribbler([&](Child& self) {
    std::mt19937_64 random(8);
    self.report();
    for (;;) {
      Scribble(store(), random);
      ::usleep(20);
    }
    return true;
  });
  scribbler.wait_for_report();
  std::mt19937_64 random(9);
  for (int use = 0; use < 20'000; ++use) UseAtRandom(store(), random);
  scribbler.kill();
  EXPECT_GT(store().stats().corrupt, 0u);
}
#endif

}  // namespace
}  // namespace cache_me
