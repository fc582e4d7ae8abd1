// What the version table promises to those who read and commit. Its file is version_file_test.cpp's.
#include <atomic>
#include <thread>

#include "version_table_fixture.hpp"

namespace cache_me::testing {
namespace {

// --- Hits, fills, bumps ---

TEST_F(VersionTableTest, AnEntryHoldsUntilOneOfItsDependenciesIsBumped) {
  const Table table = open();
  const auto versions = fill(*table, {1, 2, 3});
  ASSERT_EQ(versions.size(), 3u);
  EXPECT_TRUE(hits(*table, {1, 2, 3}, versions));
  const Dependency other[] = {4};
  EXPECT_TRUE(table->bump(other));
  EXPECT_TRUE(hits(*table, {1, 2, 3}, versions));
  const Dependency second[] = {2};
  EXPECT_TRUE(table->bump(second));
  EXPECT_FALSE(hits(*table, {1, 2, 3}, versions));
  EXPECT_TRUE(hits(*table, {1, 3}, {versions[0], versions[2]}));
}

TEST_F(VersionTableTest, ACommitIsAnIntentFirstAndABumpAfterwards) {
  const Table table = open();
  const auto versions = fill(*table, {1});
  Intent intent = declare(*table, {1, 9});
  EXPECT_TRUE(carries(*table, {1}));
  EXPECT_TRUE(carries(*table, {7, 8, 9}));
  EXPECT_FALSE(carries(*table, {2}));
  EXPECT_FALSE(hits(*table, {1}, versions));
  EXPECT_TRUE(fill(*table, {1}).empty());
  EXPECT_FALSE(fill(*table, {2}).empty());
  EXPECT_TRUE(table->finish(std::move(intent)));
  EXPECT_FALSE(carries(*table, {1}));
  EXPECT_FALSE(hits(*table, {1}, versions));
  EXPECT_TRUE(hits(*table, {1}, fill(*table, {1})));
  EXPECT_EQ(table->intents(), 0u);
}

TEST_F(VersionTableTest, AnotherMappingSeesIntentsAndBumps) {
  const Table ours = open(), theirs = open();
  EXPECT_EQ(ours->epoch(), theirs->epoch());
  const auto versions = fill(*theirs, {1});
  Intent intent = declare(*ours, {1});
  EXPECT_TRUE(carries(*theirs, {1}));
  ours->finish(std::move(intent));
  EXPECT_FALSE(carries(*theirs, {1}));
  EXPECT_FALSE(hits(*theirs, {1}, versions));
}

TEST_F(VersionTableTest, TwoIntentsOnOneDependencyEndOneByOne) {
  const Table table = open();
  Intent first = declare(*table, {1});
  Intent second = declare(*table, {1});
  table->finish(std::move(first));
  EXPECT_TRUE(carries(*table, {1}));
  table->finish(std::move(second));
  EXPECT_FALSE(carries(*table, {1}));
}

TEST_F(VersionTableTest, AnotherEpochNeverHits) {
  const Table table = open();
  const auto versions = fill(*table, {1});
  const Dependency one[] = {1};
  EXPECT_FALSE(table->unchanged(table->epoch() + 1, one, versions));
}

TEST_F(VersionTableTest, AnEntryWithoutAVersionForEachDependencyNeverHits) {
  const Table table = open();
  EXPECT_FALSE(hits(*table, {1, 2}, {0}));
}

TEST_F(VersionTableTest, ASnapshotHitsOnlyWhatIsNotYoungerThanItself) {
  const Table table = open();
  const std::uint64_t snapshot = table->clock();
  const Dependency one[] = {1};
  table->bump(one);
  const auto versions = fill(*table, {1});
  EXPECT_TRUE(hits(*table, {1}, versions));
  EXPECT_FALSE(hits(*table, {1}, versions, snapshot));
  EXPECT_TRUE(hits(*table, {1}, versions, table->clock()));
}

TEST_F(VersionTableTest, VersionsOfALaterCommitAreGreaterThanTheClock) {
  const Table table = open();
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t before = table->clock();
    table->finish(declare(*table, {1}));
    EXPECT_GT(fill(*table, {1})[0], before);
    EXPECT_LE(fill(*table, {1})[0], table->clock());
  }
}

TEST_F(VersionTableTest, DependenciesThatShareASlotBumpEachOtherButShareNoIntent) {
  const Table table = open();
  const auto versions = fill(*table, {1});
  Intent intent = declare(*table, {1 + 512});
  EXPECT_FALSE(carries(*table, {1}));
  EXPECT_TRUE(hits(*table, {1}, versions));
  table->finish(std::move(intent));
  EXPECT_FALSE(hits(*table, {1}, versions));
}

TEST_F(VersionTableTest, BumpingEverythingEndsEveryEntry) {
  const Table table = open();
  const auto versions = fill(*table, {1, 2});
  table->bump_everything();
  EXPECT_FALSE(hits(*table, {1, 2}, versions));
  EXPECT_TRUE(hits(*table, {1, 2}, fill(*table, {1, 2})));
  const auto later = fill(*table, {1, 2});
  const Dependency one[] = {1};
  table->bump(one);
  EXPECT_FALSE(hits(*table, {1, 2}, later));
}

TEST_F(VersionTableTest, MoreDependenciesThanFitAreAnIntentOnEverythingAndBumpTheirOwn) {
  const Table table = open();
  std::vector<Dependency> many;
  for (Dependency dependency = 0; dependency <= version_file::kRecordDependencies; ++dependency) {
    many.push_back(dependency);
  }
  const auto untouched = fill(*table, {400});
  const auto touched = fill(*table, {many.back()});
  Intent intent = declare(*table, many);
  EXPECT_TRUE(carries(*table, {400}));
  table->finish(std::move(intent));
  EXPECT_TRUE(hits(*table, {400}, untouched));
  EXPECT_FALSE(hits(*table, {many.back()}, touched));
}

TEST_F(VersionTableTest, AFullRecordIsComparedToItsLastDependency) {
  const Table table = open();
  std::vector<Dependency> many(version_file::kRecordDependencies, 5);
  many.back() = 77;
  Intent intent = declare(*table, many, false, std::string(500, 's'));
  EXPECT_TRUE(carries(*table, {77}));
  EXPECT_FALSE(carries(*table, {78}));
  table->keep(std::move(intent));
  ASSERT_EQ(table->unknown_outcomes().size(), 1u);
  EXPECT_EQ(table->unknown_outcomes()[0].session, std::string(version_file::kSessionBytes, 's'));
  EXPECT_TRUE(carries(*table, {77})) << "a long session doesn't run into the dependencies";
}

// --- Records ---

TEST_F(VersionTableTest, WithoutAFreeRecordADeclarationFailsAloudAndLaterSucceeds) {
  const Table table = open();
  std::vector<Intent> intents;
  for (Dependency dependency = 0; dependency < 8; ++dependency)
    intents.push_back(declare(*table, {dependency}));
  const Dependency one[] = {100};
  Result<Intent> failed = table->declare(one, "", false);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().code(), StatusCode::exhausted);
  table->finish(std::move(intents.back()));
  EXPECT_TRUE(table->declare(one, "", false).ok());
}

TEST_F(VersionTableTest, IdleRecordsOfAnotherProcessAreGivenUpWhenTheyAreWanted) {
  const Table hoarder = open();
  {
    std::vector<Intent> intents;
    for (Dependency dependency = 0; dependency < 8; ++dependency)
      intents.push_back(declare(*hoarder, {dependency}));
    for (Intent& intent : intents) hoarder->finish(std::move(intent));
  }
  const Table table = open();
  std::vector<Intent> intents;
  const Dependency one[] = {1};
  for (;;) {
    Result<Intent> intent = table->declare(one, "", false);
    if (!intent) break;
    intents.push_back(std::move(*intent));
  }
  EXPECT_LT(intents.size(), 8u) << "the other keeps some for its next commits";
  sleep_ms(1100);
  EXPECT_TRUE(hoarder->still_ours());  // its lease is over, so it looks
  while (intents.size() < 8) {
    Result<Intent> intent = table->declare(one, "", false);
    ASSERT_TRUE(intent.ok()) << intent.status().message();
    intents.push_back(std::move(*intent));
  }
}

TEST_F(VersionTableTest, RecordsOfDeadOwnersComeBackThoughNobodyMeetsTheirIntents) {
  for (Dependency dependency = 0; dependency < 8; ++dependency) die_declared({dependency}, true);
  const Table table = open();
  EXPECT_EQ(table->intents(), 8u);
  const Dependency one[] = {100};
  Result<Intent> intent = table->declare(one, "", false);
  ASSERT_TRUE(intent.ok()) << intent.status().message();
  EXPECT_EQ(table->intents(), 1u);
}

// --- Owners that die, outcomes that nobody knows ---

TEST_F(VersionTableTest, AnIntentLastsWhileItsOwnerLives) {
  const Table table = open();
  Child child([&](Child& self) {
    Result<Table> theirs = try_open();
    const Dependency one[] = {1};
    Result<Intent> intent = (*theirs)->declare(one, "", true);
    self.report();
    self.wait_for_word();
    return (*theirs)->finish(std::move(*intent));
  });
  child.wait_for_report();
  for (int look = 0; look < 5; ++look) {
    EXPECT_TRUE(carries(*table, {1}));
    sleep_ms(15);
  }
  child.go_on();
  EXPECT_TRUE(child.passed());
  EXPECT_FALSE(carries(*table, {1}));
}

TEST_F(VersionTableTest, ADeadOwnerThatSettlesWithItsProcessIsBumpedAndWithdrawn) {
  const Table table = open();
  const auto versions = fill(*table, {1, 2});
  die_declared({1}, true);
  EXPECT_TRUE(carries(*table, {1})) << "whoever meets it first misses";
  EXPECT_FALSE(carries(*table, {1}));
  EXPECT_FALSE(hits(*table, {1}, {versions[0]}));
  EXPECT_TRUE(hits(*table, {2}, {versions[1]}));
  EXPECT_TRUE(table->unknown_outcomes().empty());
  EXPECT_EQ(table->intents(), 0u);
}

TEST_F(VersionTableTest, AnotherDeadOwnerIsBumpedAndItsOutcomeUnknownUntilItIsSettled) {
  const Table table = open();
  const auto versions = fill(*table, {1});
  die_declared({1}, false);
  EXPECT_TRUE(carries(*table, {1}));
  sleep_ms(15);
  EXPECT_TRUE(carries(*table, {1}));
  const Dependency one[] = {1}, two[] = {2};
  EXPECT_TRUE(table->unknown_outcomes(two).empty());
  const auto unknown = table->unknown_outcomes(one);
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_EQ(unknown[0].session, "the dead one's session");
  EXPECT_FALSE(unknown[0].settles_with_owner);
  const std::uint64_t before = table->clock();
  EXPECT_TRUE(table->settle(unknown[0]));
  EXPECT_FALSE(table->settle(unknown[0]));
  EXPECT_FALSE(carries(*table, {1}));
  EXPECT_FALSE(hits(*table, {1}, versions));
  EXPECT_GT(fill(*table, {1})[0], before) << "bumped again when it was settled";
}

TEST_F(VersionTableTest, ADeadOwnerOfMoreThanFitsEndsEveryEntry) {
  const Table table = open();
  const auto versions = fill(*table, {400});
  std::vector<Dependency> many(version_file::kRecordDependencies + 1, 3);
  die_declared(many, true);
  EXPECT_TRUE(carries(*table, {400}));
  EXPECT_FALSE(carries(*table, {400}));
  EXPECT_FALSE(hits(*table, {400}, versions));
}

TEST_F(VersionTableTest, AKeptIntentIsBumpedAtOnceAndSettledByAnybodyOnce) {
  const Table ours = open(), theirs = open();
  const std::uint64_t before = ours->clock();
  EXPECT_TRUE(ours->keep(declare(*ours, {1}, false, "pg 4711")));
  EXPECT_GT(ours->clock(), before);
  EXPECT_TRUE(carries(*theirs, {1}));
  const auto unknown = theirs->unknown_outcomes();
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_EQ(unknown[0].session, "pg 4711");
  std::atomic<int> settled{0};
  std::vector<std::thread> threads;
  for (const Table& table : {ours, theirs, ours, theirs}) {
    threads.emplace_back([&, table] { settled += table->settle(unknown[0]) ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  // All of them may have met the lock of one that then found nothing to do.
  if (settled == 0) settled += ours->settle(unknown[0]) ? 1 : 0;
  EXPECT_EQ(settled, 1);
  EXPECT_FALSE(carries(*ours, {1}));
}

TEST_F(VersionTableTest, AStaleNameDoesNotSettleALaterIntentOfTheSameRecord) {
  options_.records = 1;
  const Table table = open();
  table->keep(declare(*table, {1}));
  const auto first = table->unknown_outcomes();
  ASSERT_EQ(first.size(), 1u);
  ASSERT_TRUE(table->settle(first[0]));
  table->keep(declare(*table, {1}));
  EXPECT_FALSE(table->settle(first[0]));
  EXPECT_TRUE(carries(*table, {1}));
}

TEST_F(VersionTableTest, AKeptIntentThatSettlesWithItsOwnerIsSettledByItAlone) {
  const Table ours = open(), theirs = open();
  ours->keep(declare(*ours, {1}, true));
  const auto unknown = theirs->unknown_outcomes();
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_TRUE(unknown[0].settles_with_owner);
  EXPECT_FALSE(theirs->settle(unknown[0]));
  EXPECT_TRUE(carries(*theirs, {1}));
  EXPECT_TRUE(ours->settle(unknown[0]));
  EXPECT_FALSE(ours->settle(unknown[0]));
  EXPECT_FALSE(carries(*theirs, {1}));
}

TEST_F(VersionTableTest, AKeptIntentThatSettlesWithItsOwnerEndsWhenThatDies) {
  const Table table = open();
  Child child([&](Child&) -> bool {
    Result<Table> theirs = try_open();
    const Dependency one[] = {1};
    (*theirs)->keep((*theirs)->declare(one, "", true).value());
    Child::die();
  });
  ASSERT_TRUE(child.was_killed());
  EXPECT_TRUE(carries(*table, {1}));
  EXPECT_FALSE(carries(*table, {1}));
}

TEST_F(VersionTableTest, ASettlerThatDiesLeavesTheOutcomeToOthers) {
  const Table table = open();
  table->keep(declare(*table, {1}));
  const auto unknown = table->unknown_outcomes();
  ASSERT_EQ(unknown.size(), 1u);
  const std::size_t records = sizeof(version_file::Header) + 512 * 8;
  Child child([&](Child& self) {  // holds the record, as one in the middle of settling does
    OwnerRecords owners(table->file(), {records, sizeof(version_file::Record), 8});
    self.report(owners.try_acquire(unknown[0].index) ? 'y' : 'n');
    self.wait_for_word();
    return true;
  });
  ASSERT_EQ(child.wait_for_report(), 'y');
  EXPECT_FALSE(table->settle(unknown[0]));
  child.kill();
  EXPECT_TRUE(table->settle(unknown[0]));
}

TEST_F(VersionTableTest, ADeclarationThatNeverReturnedIsWithdrawn) {
  const Table table = open();
  // Killed between the record's word and the sign.
  const std::size_t record = sizeof(version_file::Header) + 512 * 8;
  overwrite(record + offsetof(version_file::Record, word), std::uint64_t{1 << 2 | version_file::kDeclared});
  EXPECT_EQ(table->intents(), 1u);
  EXPECT_TRUE(table->unknown_outcomes().empty());
  EXPECT_EQ(table->intents(), 0u);
}

TEST_F(VersionTableTest, ASignWithoutAnIntentIsHarmless) {
  const Table table = open();
  overwrite(offsetof(version_file::Header, sign), ~std::uint64_t{0});  // also beyond the eight records
  EXPECT_FALSE(carries(*table, {1}));
  EXPECT_TRUE(hits(*table, {1}, fill(*table, {1})));
}

// --- Forks and threads ---

TEST_F(VersionTableTest, AForkedChildTakesRecordsOfItsOwnAndLeavesTheParentsAlone) {
  const Table table = open();
  Intent intent = declare(*table, {1}, true);
  Child child([&](Child& self) {
    const Dependency two[] = {2};
    Result<Intent> own = table->declare(two, "", true);
    if (!own || !table->carries_intent(std::vector<Dependency>{1})) return false;
    table->finish(std::move(intent));  // the copy of the parent's: bumps, withdraws nothing
    if (!table->carries_intent(std::vector<Dependency>{1})) return false;
    self.report();
    Child::die();
  });
  child.wait_for_report();
  EXPECT_TRUE(child.was_killed());
  EXPECT_TRUE(carries(*table, {1}));
  EXPECT_TRUE(carries(*table, {2}));
  EXPECT_FALSE(carries(*table, {2})) << "the child's is seen to";
  table->finish(std::move(intent));
  EXPECT_FALSE(carries(*table, {1}));
}

TEST_F(VersionTableTest, APrivateTableIsAForkedChildsOwnAndItsIntentsDieWithTheParent) {
  Result<Table> made = VersionTable::private_table(options_);
  ASSERT_TRUE(made.ok());
  const Table table = *made;
  EXPECT_TRUE(table->usable());
  EXPECT_TRUE(table->still_ours());
  const auto versions = fill(*table, {1, 2});
  Intent intent = declare(*table, {1}, true);
  EXPECT_TRUE(run_in_child([&] {
    const Dependency one[] = {1}, two[] = {2};
    if (!table->carries_intent(one) || table->carries_intent(one)) return false;
    table->bump(two);
    Result<Intent> own = table->declare(two, "", true);
    return own.ok() && table->finish(std::move(*own));
  }));
  EXPECT_TRUE(carries(*table, {1}));
  EXPECT_TRUE(hits(*table, {2}, {versions[1]}));
  table->finish(std::move(intent));
  EXPECT_FALSE(carries(*table, {1}));
}

TEST_F(VersionTableTest, ThreadsThatCommitAndReadAtOnceNeverSeeAnOldValue) {
  options_.records = 64;
  const Table table = open();
  constexpr int kKeys = 4;
  std::atomic<std::uint64_t> database[kKeys] = {}, returned[kKeys] = {};
  std::atomic<bool> stop{false};
  std::atomic<int> stale{0}, hit{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      for (unsigned turn = static_cast<unsigned>(writer); !stop; turn += 3) {
        const Dependency key[] = {turn % kKeys};
        Result<Intent> intent = table->declare(key, "", true);
        if (!intent) continue;
        const std::uint64_t value = database[key[0]].fetch_add(1) + 1;
        std::uint64_t seen = returned[key[0]].load();
        while (seen < value && !returned[key[0]].compare_exchange_weak(seen, value)) {
        }
        table->finish(std::move(*intent));
        std::this_thread::yield();
      }
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      std::uint64_t cached[kKeys] = {}, version[kKeys] = {};
      bool filled[kKeys] = {};
      for (unsigned turn = 0; !stop; ++turn) {
        const Dependency key[] = {turn % kKeys};
        const std::size_t at = key[0];
        const std::uint64_t newest = returned[at];
        if (filled[at] && table->unchanged(table->epoch(), key, {&version[at], 1})) {
          ++hit;
          if (cached[at] < newest) ++stale;
          continue;
        }
        filled[at] = table->read(key, {&version[at], 1});
        cached[at] = database[at];
      }
    });
  }
  sleep_ms(300);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stale, 0);
  EXPECT_GT(hit, 0);
  EXPECT_EQ(table->intents(), 0u);
}

}  // namespace
}  // namespace cache_me::testing
