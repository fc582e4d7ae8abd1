// Processes that commit, are killed at random instants and replaced, and processes that read through a cache;
// a judge that says whether any read was older than a commit that had returned when it began, or than the
// same reader's last.
//
// The "database" is shared memory with a counter per key: a commit adds one to each of its keys. What had
// returned is published right after the commit and before the bump: the harshest moment. The same judge is
// shown four broken protocols and has to find each of them guilty.
//
// CACHE_ME_TORTURE_SECONDS lengthens the run of the protocol itself (3 s).
#include <sys/mman.h>
#include <time.h>

#include <cinttypes>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cache_me/version_table.hpp"
#include "process_support.hpp"

namespace cache_me {
namespace {

using testing::Child;
using testing::TemporaryDirectory;

constexpr std::uint32_t kKeys = 8;
constexpr std::uint32_t kWriters = 3;
constexpr std::uint32_t kReaders = 2;

struct Entry {  // of the cache, filled by any reader and hit by any other
  std::atomic<std::uint32_t> busy;
  bool filled;
  std::uint64_t epoch, version, value;
};

struct World {
  std::atomic<std::uint64_t> value[kKeys];     // the database
  std::atomic<std::uint64_t> returned[kKeys];  // the newest value whose commit has returned
  std::atomic<std::uint64_t> over[kWriters];   // sessions of each writer that are known to be over
  Entry cache[kKeys];
  std::atomic<bool> stop;
  std::atomic<std::uint64_t> hits, fills, commits, kept, settled, stale, backwards;
};

class Random {
 public:
  Random() : state_(random_u64()) {}
  std::uint32_t below(std::uint32_t limit) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint32_t>((state_ >> 33) % limit);
  }
  // Now and then lets somebody else run, so that the steps of several processes interleave on few cores.
  void dawdle() {
    const std::uint32_t choice = below(16);
    if (choice < 4) ::sched_yield();
    if (choice == 5) {
      const struct timespec pause = {0, static_cast<long>(below(200'000))};
      ::nanosleep(&pause, nullptr);
    }
  }

 private:
  std::uint64_t state_;
};

void raise(std::atomic<std::uint64_t>& value, std::uint64_t number) {
  std::uint64_t seen = value.load();
  while (seen < number && !value.compare_exchange_weak(seen, number)) {
  }
}

// --- The protocol, and what a careless author would make of it ---

struct Protocol {
  static constexpr bool kIntent = true;          // false: bumps after the commit, and that's all
  static constexpr bool kBumpAfter = true;       // false: bumps and withdraws before the commit
  static constexpr bool kVersionsBefore = true;  // false: fills with versions that were read after the rows
  static constexpr bool kHeedsIntents = true;    // false: compares versions, but looks for no intents
};
struct WithoutIntent : Protocol {
  static constexpr bool kIntent = false;
};
struct BumpBeforeCommit : Protocol {
  static constexpr bool kBumpAfter = false;
};
struct VersionsAfterRows : Protocol {
  static constexpr bool kVersionsBefore = false;
};
struct DeafReader : Protocol {
  static constexpr bool kHeedsIntents = false;
};

template <typename P>
class Writer {
 public:
  Writer(World& world, VersionTable& table, std::uint32_t number)
      : world_(world), table_(table), number_(number) {}

  void run() {
    while (!world_.stop) {
      std::vector<Dependency> keys;
      for (std::uint32_t count = 1 + random_.below(3); count > 0; --count)
        keys.push_back(random_.below(kKeys));
      turn(keys);
      random_.dawdle();
    }
  }

 private:
  void turn(const std::vector<Dependency>& keys) {
    if constexpr (!P::kIntent) {
      commit(keys);
      random_.dawdle();
      table_.bump(keys);
      return;
    }
    const bool settles = number_ % 2 == 0;
    ++serial_;
    const std::string session =
        std::to_string(number_) + " " + std::to_string(::getpid()) + " " + std::to_string(serial_);
    Result<Intent> intent = table_.declare(keys, session, settles);
    if (!intent) return;  // no free record: no commit
    random_.dawdle();
    if constexpr (!P::kBumpAfter) {
      table_.finish(std::move(*intent));
      random_.dawdle();
      commit(keys);
      return;
    }
    if (!settles && random_.below(8) == 0) {
      // The connection is lost; the server commits all the same, some time later.
      table_.keep(std::move(*intent));
      random_.dawdle();
      commit(keys);
      world_.over[number_].store(serial_);
      ++world_.kept;
      return;
    }
    commit(keys);
    random_.dawdle();
    table_.finish(std::move(*intent));
  }

  void commit(const std::vector<Dependency>& keys) {
    std::vector<std::uint64_t> values;
    for (const Dependency key : keys) values.push_back(world_.value[key].fetch_add(1) + 1);
    for (std::size_t position = 0; position < keys.size(); ++position) {
      raise(world_.returned[keys[position]], values[position]);
    }
    ++world_.commits;
  }

  World& world_;
  VersionTable& table_;
  const std::uint32_t number_;
  std::uint64_t serial_ = 0;
  Random random_;
};

// Asks the "database" whether the sessions of unknown outcomes are gone.
void settle_what_is_over(World& world, VersionTable& table) {
  for (const UnknownOutcome& unknown : table.unknown_outcomes()) {
    unsigned writer = 0;
    int pid = 0;
    std::uint64_t serial = 0;
    if (std::sscanf(unknown.session.c_str(), "%u %d %" SCNu64, &writer, &pid, &serial) != 3) continue;
    if (writer >= kWriters || unknown.settles_with_owner) continue;
    // A killed writer that hasn't been waited for can still be signalled: it is asked about again later.
    const bool gone = world.over[writer] >= serial || ::kill(pid, 0) != 0;
    if (gone && table.settle(unknown)) ++world.settled;
  }
}

template <typename P>
class Reader {
 public:
  Reader(World& world, VersionTable& table) : world_(world), table_(table) {}

  void run() {
    while (!world_.stop) {
      const std::uint32_t key = random_.below(kKeys);
      const std::uint64_t returned = world_.returned[key];
      const std::uint64_t value = read(key);
      if (value < returned) ++world_.stale;
      if (value < last_[key]) ++world_.backwards;
      last_[key] = std::max(last_[key], value);
      if (random_.below(256) == 0) settle_what_is_over(world_, table_);
    }
  }

 private:
  bool holds(const Entry& entry, Dependency key) {
    if constexpr (!P::kHeedsIntents) {
      // What unchanged() would do without the intents: the slot stands right after the header.
      const auto* slots = reinterpret_cast<const std::atomic<std::uint64_t>*>(table_.file().data() + 4096);
      return entry.epoch == table_.epoch() && slots[key].load() == entry.version;
    }
    return table_.unchanged(entry.epoch, {&key, 1}, {&entry.version, 1});
  }

  std::uint64_t read(std::uint32_t key) {
    const Dependency dependency[] = {key};
    Entry& entry = world_.cache[key];
    Entry copy = {};
    lock(entry);
    copy.filled = entry.filled;
    copy.epoch = entry.epoch;
    copy.version = entry.version;
    copy.value = entry.value;
    entry.busy = 0;
    if (copy.filled && table_.still_ours() && holds(copy, key)) {
      ++world_.hits;
      return copy.value;
    }
    std::uint64_t version[1] = {};
    bool may_fill = P::kVersionsBefore && table_.read(dependency, version);
    random_.dawdle();
    const std::uint64_t value = world_.value[key];
    random_.dawdle();
    if (!P::kVersionsBefore) may_fill = table_.read(dependency, version);
    if (may_fill) {
      lock(entry);
      entry.filled = true;
      entry.epoch = table_.epoch();
      entry.version = version[0];
      entry.value = value;
      entry.busy = 0;
      ++world_.fills;
    }
    return value;
  }

  static void lock(Entry& entry) {  // readers are never killed
    while (entry.busy.exchange(1) != 0) ::sched_yield();
  }

  World& world_;
  VersionTable& table_;
  Random random_;
  std::uint64_t last_[kKeys] = {};
};

class Torture : public ::testing::Test {
 protected:
  Torture() {
    world_ = static_cast<World*>(
        ::mmap(nullptr, sizeof(World), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    options_.slots = 512;
    options_.records = 64;
    options_.fresh = true;
    table_ = open();
  }
  ~Torture() override { ::munmap(world_, sizeof(World)); }

  std::shared_ptr<VersionTable> open() const {
    return VersionTable::open(directory_ / "django_cache_me.versions.torture", "torture", options_).value();
  }

  template <typename P>
  std::unique_ptr<Child> start_writer(std::uint32_t number) {
    return std::make_unique<Child>([this, number](Child&) {
      Writer<P>(*world_, *open(), number).run();
      return true;
    });
  }

  // Until the time is over, or a guilty protocol is found out.
  template <typename P>
  void run(double seconds, bool until_guilty) {
    std::vector<std::unique_ptr<Child>> readers, writers;
    for (std::uint32_t count = 0; count < kReaders; ++count) {
      readers.push_back(std::make_unique<Child>([this](Child&) {
        Reader<P>(*world_, *open()).run();
        return true;
      }));
    }
    for (std::uint32_t number = 0; number < kWriters; ++number) writers.push_back(start_writer<P>(number));
    Random random;
    const std::uint64_t end = boottime_ns() + static_cast<std::uint64_t>(seconds * 1e9);
    while (boottime_ns() < end && !(until_guilty && world_->stale + world_->backwards > 0)) {
      const struct timespec pause = {0, static_cast<long>(500'000 + random.below(8'000'000))};
      ::nanosleep(&pause, nullptr);
      const std::uint32_t victim = random.below(kWriters);
      writers[victim]->kill();
      ++kills_;
      world_->over[victim] = 0;  // the next one counts from the start; the dead one's sessions ended with it
      writers[victim] = start_writer<P>(victim);
    }
    world_->stop = true;
    for (const auto& reader : readers) EXPECT_TRUE(reader->passed());
    for (const auto& writer : writers) writer->kill();
  }

  void say(const char* what) const {
    std::printf("%s: %d kills, %" PRIu64 " commits, %" PRIu64 " hits, %" PRIu64 " fills, %" PRIu64
                " kept, %" PRIu64 " settled, %" PRIu64 " stale, %" PRIu64 " backwards\n",
                what, kills_, world_->commits.load(), world_->hits.load(), world_->fills.load(),
                world_->kept.load(), world_->settled.load(), world_->stale.load(), world_->backwards.load());
  }

  TemporaryDirectory directory_;
  VersionOptions options_;
  World* world_;
  std::shared_ptr<VersionTable> table_;
  int kills_ = 0;
};

TEST_F(Torture, NoReadIsOlderThanACommitThatHadReturned) {
  const char* seconds = std::getenv("CACHE_ME_TORTURE_SECONDS");
  run<Protocol>(seconds != nullptr ? std::atof(seconds) : 3.0, false);
  say("the protocol");
  EXPECT_EQ(world_->stale, 0u);
  EXPECT_EQ(world_->backwards, 0u);
  EXPECT_GT(world_->hits, 0u);
  EXPECT_GT(world_->settled, 0u);
  // Each was settled once: it was kept and counted so, or left by a writer that was killed, at most one by
  // each.
  EXPECT_LE(world_->settled, world_->kept + static_cast<std::uint64_t>(kills_));

  // Nothing is lost for ever: once all is settled, every record is free and every key can be filled and hit.
  for (int attempt = 0; attempt < 500 && table_->intents() > 0; ++attempt) {
    settle_what_is_over(*world_, *table_);
    const struct timespec pause = {0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
  EXPECT_EQ(table_->intents(), 0u);
  for (Dependency key = 0; key < kKeys; ++key) {
    std::uint64_t version[1];
    EXPECT_TRUE(table_->read({&key, 1}, version));
    EXPECT_TRUE(table_->unchanged(table_->epoch(), {&key, 1}, version));
  }
  std::vector<Intent> intents;
  const Dependency one[] = {1};
  while (intents.size() < options_.records) {
    Result<Intent> intent = table_->declare(one, "", true);
    ASSERT_TRUE(intent.ok()) << intents.size() << ": " << intent.status().message();
    intents.push_back(std::move(*intent));
  }
}

TEST_F(Torture, TheJudgeConvictsAProtocolWithoutIntents) {
  run<WithoutIntent>(20, true);
  say("without intents");
  EXPECT_GT(world_->stale + world_->backwards, 0u);
}

TEST_F(Torture, TheJudgeConvictsABumpBeforeTheCommit) {
  run<BumpBeforeCommit>(20, true);
  say("bump before commit");
  EXPECT_GT(world_->stale + world_->backwards, 0u);
}

TEST_F(Torture, TheJudgeConvictsVersionsReadAfterTheRows) {
  run<VersionsAfterRows>(20, true);
  say("versions after rows");
  EXPECT_GT(world_->stale + world_->backwards, 0u);
}

TEST_F(Torture, TheJudgeConvictsAReaderThatHeedsNoIntents) {
  run<DeafReader>(20, true);
  say("deaf reader");
  EXPECT_GT(world_->stale + world_->backwards, 0u);
}

}  // namespace
}  // namespace cache_me
