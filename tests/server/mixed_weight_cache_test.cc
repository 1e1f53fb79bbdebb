#include "server/mixed_weight_cache.h"

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/server/fake_model.h"

namespace trimtab {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using Code = absl::StatusCode;
using Weights = std::shared_ptr<const MixedWeights>;

class MixedWeightCacheTest : public ::testing::Test {
 protected:
  // A cache that holds `mixtures` of parameters_.
  std::unique_ptr<MixedWeightCache> NewCache(int mixtures) {
    const MixedWeightCache::Options options{.byte_budget = mixtures * one_, .prepare = prepare_};
    return std::make_unique<MixedWeightCache>(
        options,
        [this](const auto& parameters, const auto&, MixTime when) -> absl::StatusOr<Weights> {
          if (when == MixTime::kNow && while_mixing_) while_mixing_();
          if (fails_) return absl::ResourceExhaustedError("no memory");
          return memory_.Make(*parameters, when);
        },
        &metrics_);
  }

  absl::StatusOr<MixedWeightLease> Get(MixedWeightCache& cache, int key) {
    return cache.Acquire(parameters_, KeyNumber(key));
  }
  // The lease itself; fails the test on an error.
  MixedWeightLease MustGet(MixedWeightCache& cache, int key) {
    auto lease = Get(cache, key);
    EXPECT_TRUE(lease.ok()) << lease.status();
    return lease.ok() ? *std::move(lease) : MixedWeightLease();
  }
  void ServeOverBasis(MixedWeightCache& cache, int key, int times) {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(cache.AcquireBasis(parameters_, KeyNumber(key)).ok());
  }
  static std::vector<Coefficients> Keys(const std::vector<int>& numbers) {
    std::vector<Coefficients> keys;
    for (const int number : numbers) keys.push_back(KeyNumber(number));
    return keys;
  }
  // What became of each key.
  std::vector<Code> Prewarm(MixedWeightCache& cache, const std::vector<int>& keys) {
    std::vector<Code> codes(keys.size(), Code::kUnknown);
    cache.Prewarm(parameters_, Keys(keys), [&codes](size_t i, const absl::Status& status) {
      codes[i] = status.code();
      return true;
    });
    cache.AwaitBackground();
    return codes;
  }
  int Remix(MixedWeightCache& cache, const std::shared_ptr<const Parameters>& next) {
    return cache.Remix(*parameters_, next, [] { return true; });
  }
  bool Holds(MixedWeightCache& cache, int key) { return cache.Holds(*parameters_, KeyNumber(key)); }

  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  FakeMemory memory_;
  std::function<void()> while_mixing_;  // Called by mixes that no request waits for.
  std::atomic<bool> fails_ = false;
  std::function<void(int64_t)> prepare_;  // Of the next cache.
  const std::shared_ptr<const Parameters> parameters_ = MakeParameters(1);
  const int64_t one_ = MixedWeights::Bytes(*parameters_);
};

TEST_F(MixedWeightCacheTest, MemoryOfOneMoreMixtureIsPreparedWhereTheBudgetHasRoomForIt) {
  std::atomic<int64_t> prepared = 0;
  prepare_ = [&prepared](int64_t bytes) { prepared += bytes; };
  auto cache = NewCache(2);
  cache->KeepOnly(*parameters_);
  cache->AwaitBackground();
  EXPECT_EQ(prepared, one_) << "before anyone asks";
  MustGet(*cache, 1);
  cache->AwaitBackground();
  EXPECT_EQ(prepared, 2 * one_) << "the next is expected";
  MustGet(*cache, 2);
  cache->AwaitBackground();
  EXPECT_EQ(prepared, 2 * one_) << "the next takes the room of another";
}

TEST_F(MixedWeightCacheTest, MakesAMissingKeyAndKeepsIt) {
  auto cache = NewCache(2);
  MixedWeightLease first = MustGet(*cache, 1);
  EXPECT_EQ(first.outcome, CacheOutcome::kMiss);
  const MixedWeights* weights = first.weights.get();
  first.weights.reset();
  const MixedWeightLease second = MustGet(*cache, 1);
  EXPECT_EQ(second.outcome, CacheOutcome::kHit);
  EXPECT_EQ(second.weights.get(), weights);
  EXPECT_EQ(memory_.mixes, 1);
}

TEST_F(MixedWeightCacheTest, WhoComesWhileTheFirstUserRunsShares) {
  auto cache = NewCache(2);
  const MixedWeightLease first = MustGet(*cache, 1);
  const MixedWeightLease second = MustGet(*cache, 1);
  EXPECT_EQ(second.outcome, CacheOutcome::kShared);
  EXPECT_EQ(second.weights.get(), first.weights.get());
  EXPECT_EQ(metrics_.cache_coalesced.Value(), 1);
}

TEST_F(MixedWeightCacheTest, VersionsDoNotShareEntries) {
  auto cache = NewCache(2);
  const MixedWeightLease old = MustGet(*cache, 1);
  const auto lease = cache->Acquire(MakeParameters(2), KeyNumber(1));
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->outcome, CacheOutcome::kMiss);
  EXPECT_NE(lease->weights.get(), old.weights.get());
}

TEST_F(MixedWeightCacheTest, SixtyFourThreadsOnOneKeyMakeItOnce) {
  auto cache = NewCache(2);
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) threads.emplace_back([&] { MustGet(*cache, 5); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory_.mixes, 1);
  const auto stats = cache->stats();
  EXPECT_EQ(stats.misses, 1);
  EXPECT_EQ(stats.hits + stats.shared, 63);
}

TEST_F(MixedWeightCacheTest, AmongEquallyUsedTheOldestGoes) {
  auto cache = NewCache(2);
  MustGet(*cache, 1);
  MustGet(*cache, 2);
  MustGet(*cache, 3);  // 1 or 2 goes.
  MustGet(*cache, 4);  // What came before 3 goes, though it was used as often: 3 counts from that eviction on.
  EXPECT_TRUE(Holds(*cache, 3));
  EXPECT_TRUE(Holds(*cache, 4));
  EXPECT_EQ(cache->stats().evictions, 2);
}

TEST_F(MixedWeightCacheTest, WhatIsUsedOftenOutlivesAScanOfOnce) {
  auto cache = NewCache(3);
  for (int i = 0; i < 10; ++i) MustGet(*cache, 0);
  for (int key = 1; key <= 8; ++key) MustGet(*cache, key);
  EXPECT_EQ(MustGet(*cache, 0).outcome, CacheOutcome::kHit);
}

TEST_F(MixedWeightCacheTest, WhatIsUsedNoMoreAgesAway) {
  auto cache = NewCache(2);
  for (int i = 0; i < 5; ++i) MustGet(*cache, 0);
  for (int key = 1; key <= 40; ++key) MustGet(*cache, key);
  EXPECT_FALSE(Holds(*cache, 0));
}

TEST_F(MixedWeightCacheTest, AmongEquallyUsedTheCheapestToMixGoes) {
  auto cache = NewCache(2);
  MustGet(*cache, 500);  // Two sets.
  MustGet(*cache, 0);    // One set.
  MustGet(*cache, 250);
  EXPECT_TRUE(Holds(*cache, 500));
  EXPECT_FALSE(Holds(*cache, 0));
}

TEST_F(MixedWeightCacheTest, APinnedEntryOutlivesAnyNumberOfOthers) {
  auto cache = NewCache(2);
  const MixedWeightLease pinned = MustGet(*cache, 0);
  for (int key = 1; key < 20; ++key) MustGet(*cache, key);
  EXPECT_EQ(MustGet(*cache, 0).weights.get(), pinned.weights.get());
}

TEST_F(MixedWeightCacheTest, WhereAllIsPinnedThereIsNoRoomUntilTheLastCopyGoes) {
  auto cache = NewCache(1);
  Weights copy = MustGet(*cache, 0).weights;
  EXPECT_TRUE(absl::IsUnavailable(Get(*cache, 1).status()));
  EXPECT_EQ(cache->stats().misses, 1);
  copy.reset();
  EXPECT_TRUE(Get(*cache, 1).ok());
  EXPECT_LE(memory_.peak, one_);
}

TEST_F(MixedWeightCacheTest, AFailureIsReportedAndNotKept) {
  auto cache = NewCache(1);
  fails_ = true;
  EXPECT_TRUE(absl::IsResourceExhausted(Get(*cache, 1).status()));
  EXPECT_EQ(cache->stats().entries, 0);
  EXPECT_EQ(cache->stats().bytes, 0);
  fails_ = false;
  EXPECT_EQ(MustGet(*cache, 1).outcome, CacheOutcome::kMiss);
}

TEST_F(MixedWeightCacheTest, AMixtureLargerThanTheBudgetIsRefused) {
  auto cache = NewCache(0);
  EXPECT_TRUE(absl::IsResourceExhausted(Get(*cache, 1).status()));
  EXPECT_EQ(memory_.mixes, 0);
}

TEST_F(MixedWeightCacheTest, ALeaseMayOutliveTheCache) {
  auto cache = NewCache(2);
  Weights kept = MustGet(*cache, 0).weights;
  MustGet(*cache, 1);
  cache.reset();
  EXPECT_EQ(memory_.live, one_);  // Only what is leased.
  kept.reset();
  EXPECT_EQ(memory_.live, 0);
}

TEST_F(MixedWeightCacheTest, TheBasisTakesNoRoom) {
  auto cache = NewCache(1);
  const MixedWeightLease pinned = MustGet(*cache, 0);
  const auto basis = cache->AcquireBasis(parameters_, KeyNumber(1));
  ASSERT_TRUE(basis.ok());
  EXPECT_EQ(basis->outcome, CacheOutcome::kBasis);
  EXPECT_EQ(cache->stats().bytes, one_);
  EXPECT_EQ(cache->stats().basis, 1);
  EXPECT_FALSE(Holds(*cache, 1));
}

TEST_F(MixedWeightCacheTest, AKeyOftenServedOverTheBasisIsPromoted) {
  auto cache = NewCache(2);
  ServeOverBasis(*cache, 1, 2);
  cache->AwaitBackground();
  EXPECT_FALSE(Holds(*cache, 1));
  ServeOverBasis(*cache, 1, 1);
  cache->AwaitBackground();
  EXPECT_TRUE(Holds(*cache, 1));
  EXPECT_EQ(cache->stats().promotions, 1);
  EXPECT_EQ(MustGet(*cache, 1).outcome, CacheOutcome::kHit);
}

TEST_F(MixedWeightCacheTest, APromotionDoesNotEvictWhatIsWorthMore) {
  auto cache = NewCache(1);
  for (int i = 0; i < 10; ++i) MustGet(*cache, 0);
  ServeOverBasis(*cache, 1, 3);
  cache->AwaitBackground();
  EXPECT_TRUE(Holds(*cache, 0));
  EXPECT_FALSE(Holds(*cache, 1));
}

TEST_F(MixedWeightCacheTest, PrewarmedKeysAreHitsFromTheFirstRequestOn) {
  auto cache = NewCache(2);
  cache->Prewarm(parameters_, Keys({1, 1}));
  cache->Prewarm(parameters_, Keys({2}));
  cache->AwaitBackground();
  EXPECT_EQ(memory_.mixes, 2);
  EXPECT_EQ(MustGet(*cache, 1).outcome, CacheOutcome::kHit);
  EXPECT_EQ(MustGet(*cache, 2).outcome, CacheOutcome::kHit);
}

TEST_F(MixedWeightCacheTest, PrewarmingSaysWhatFitsAndDoesNotEvictItsOwn) {
  auto cache = NewCache(3);
  const MixedWeightLease pinned = MustGet(*cache, 0);
  MustGet(*cache, 1);
  MustGet(*cache, 2);  // Idle, as is 1.
  EXPECT_THAT(Prewarm(*cache, {2, 3, 4, 2}), ElementsAre(Code::kOk, Code::kOk, Code::kResourceExhausted, Code::kOk));
  EXPECT_TRUE(Holds(*cache, 0));
  EXPECT_FALSE(Holds(*cache, 1));
  EXPECT_THAT(Prewarm(*cache, {5, 6}), ElementsAre(Code::kOk, Code::kOk)) << "another call may evict them";
  EXPECT_LE(memory_.peak, 3 * one_);
}

TEST_F(MixedWeightCacheTest, PrewarmingReportsAFailedMixAndGoesOn) {
  auto cache = NewCache(2);
  fails_ = true;
  EXPECT_THAT(Prewarm(*cache, {1, 2}), ElementsAre(Code::kResourceExhausted, Code::kResourceExhausted));
  EXPECT_EQ(cache->stats().bytes, 0);
}

TEST_F(MixedWeightCacheTest, PrewarmingStopsWhenItIsTold) {
  auto cache = NewCache(4);
  int told = 0;
  cache->Prewarm(parameters_, Keys({1, 2, 3}), [&told](size_t, const absl::Status&) { return ++told < 2; });
  cache->AwaitBackground();
  EXPECT_EQ(told, 2);
  EXPECT_EQ(memory_.mixes, 2);
}

TEST_F(MixedWeightCacheTest, WhoWaitsForPrewarmingIsToldOfEveryKeyThoughTheCacheGoes) {
  auto cache = NewCache(2);
  std::vector<Code> told;
  for (int call = 0; call < 4; ++call) {
    cache->Prewarm(parameters_, Keys({1, 2, 3, 4, 5}), [&told](size_t, const absl::Status& status) {
      told.push_back(status.code());
      return true;
    });
  }
  cache.reset();
  EXPECT_EQ(told.size(), 20u);
  EXPECT_THAT(told, Each(AnyOf(Code::kOk, Code::kResourceExhausted, Code::kCancelled)));
}

TEST_F(MixedWeightCacheTest, MetricsFollowTheCache) {
  auto cache = NewCache(2);
  EXPECT_EQ(metrics_.cache_capacity_bytes.Value(), 2.0 * one_);
  for (const int key : {1, 1, 2, 3}) MustGet(*cache, key);
  ServeOverBasis(*cache, 7, 2);
  EXPECT_EQ(metrics_.cache_hits.Value(), 1);
  EXPECT_EQ(metrics_.cache_misses.Value(), 3);
  EXPECT_EQ(metrics_.cache_evictions.Value(), 1);
  EXPECT_EQ(metrics_.cache_basis.Value(), 2);
  EXPECT_EQ(metrics_.cache_entries.Value(), 2);
  EXPECT_EQ(metrics_.cache_bytes.Value(), 2.0 * one_);
}

TEST_F(MixedWeightCacheTest, TheBudgetHoldsUnderRandomLoadOfVersionsOfDifferentSizes) {
  const auto large = MakeParameters(2, 100);
  auto cache = NewCache(6);
  const int64_t budget = 6 * one_;
  ASSERT_LE(MixedWeights::Bytes(*large), budget);
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(t + 1);
      absl::StatusOr<MixedWeightLease> held = absl::UnknownError("none");
      for (int i = 0; i < 300; ++i) {
        const auto& parameters = random() % 3 == 0 ? large : parameters_;
        const Coefficients key = KeyNumber(static_cast<int>(random() % 8));
        if (random() % 8 == 0) cache->Prewarm(parameters, {key});
        if (random() % 4 == 0) {
          ASSERT_TRUE(cache->AcquireBasis(parameters, key).ok());
        }
        auto lease = cache->Acquire(parameters, key);
        answered += lease.ok();
        if (lease.ok() && random() % 3 == 0) held = std::move(lease);
        ASSERT_LE(cache->stats().bytes, budget);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  cache->AwaitBackground();
  EXPECT_GT(answered, 300);
  EXPECT_LE(memory_.peak, budget);
  const auto stats = cache->stats();
  EXPECT_EQ(stats.hits + stats.misses + stats.shared, answered);
  EXPECT_GT(stats.evictions, 0);
  EXPECT_EQ(memory_.live, stats.bytes);
}

TEST_F(MixedWeightCacheTest, MixesTheHotKeysAgainForANewVersionInPlaceOfTheColdOnes) {
  auto cache = NewCache(4);
  for (const int key : {1, 1, 1, 2, 2, 3, 4}) MustGet(*cache, key);
  const auto next = MakeParameters(2);
  EXPECT_EQ(Remix(*cache, next), 2);
  EXPECT_TRUE(cache->Holds(*next, KeyNumber(1)));
  EXPECT_TRUE(cache->Holds(*next, KeyNumber(2)));
  EXPECT_TRUE(Holds(*cache, 1)) << "what is served until the swap stays";
  EXPECT_TRUE(Holds(*cache, 2));
  EXPECT_FALSE(Holds(*cache, 3));
  EXPECT_FALSE(Holds(*cache, 4));
  EXPECT_LE(memory_.peak, 4 * one_);
  const auto hit = cache->Acquire(next, KeyNumber(1));
  ASSERT_TRUE(hit.ok());
  EXPECT_EQ(hit->outcome, CacheOutcome::kHit);
}

TEST_F(MixedWeightCacheTest, MixesNothingAgainWhereAllRoomIsInUse) {
  auto cache = NewCache(2);
  const MixedWeightLease one = MustGet(*cache, 1), two = MustGet(*cache, 2);
  EXPECT_EQ(Remix(*cache, MakeParameters(2)), 0);
  EXPECT_LE(memory_.peak, 2 * one_);
}

TEST_F(MixedWeightCacheTest, MixturesOfAVersionThatIsServedNoMoreGoAsSoonAsTheyMay) {
  auto cache = NewCache(4);
  MustGet(*cache, 1);
  MixedWeightLease pinned = MustGet(*cache, 2);
  const auto next = MakeParameters(2);
  cache->KeepOnly(*next);
  EXPECT_FALSE(Holds(*cache, 1));
  EXPECT_TRUE(Holds(*cache, 2));
  EXPECT_EQ(memory_.live, one_);
  pinned.weights.reset();
  EXPECT_FALSE(Holds(*cache, 2));
  EXPECT_EQ(memory_.live, 0);
  EXPECT_EQ(cache->stats().bytes, 0);
  // A request that was admitted before the swap may still come.
  MustGet(*cache, 3);
  EXPECT_FALSE(Holds(*cache, 3));
  cache->Prewarm(parameters_, {KeyNumber(4)});
  cache->AwaitBackground();
  EXPECT_FALSE(Holds(*cache, 4));
  ASSERT_TRUE(cache->Acquire(next, KeyNumber(5)).ok());
  EXPECT_TRUE(cache->Holds(*next, KeyNumber(5)));
}

TEST_F(MixedWeightCacheTest, AMixtureThatIsDoneWhenANewerVersionIsServedIsNotKept) {
  auto cache = NewCache(4);
  const auto next = MakeParameters(2);
  while_mixing_ = [&] { cache->KeepOnly(*next); };
  cache->Prewarm(parameters_, Keys({1}));
  cache->AwaitBackground();
  EXPECT_FALSE(Holds(*cache, 1));
  EXPECT_FALSE(cache->Holds(*next, KeyNumber(1)));
  EXPECT_EQ(memory_.mixes, 1);
  EXPECT_EQ(memory_.live, 0);
  EXPECT_EQ(cache->stats().bytes, 0);
}

TEST_F(MixedWeightCacheTest, MixingAgainStopsWhenItIsTold) {
  auto cache = NewCache(8);
  for (const int key : {1, 2, 3}) MustGet(*cache, key);
  const auto next = MakeParameters(2);
  int asked = 0;
  EXPECT_EQ(cache->Remix(*parameters_, next, [&asked] { return ++asked < 2; }), 1);
  EXPECT_EQ(cache->stats().entries, 4);
}

TEST_F(MixedWeightCacheTest, ARequestThatIsAloneFindsRoomWhateverIsMixedInTheBackground) {
  auto cache = NewCache(2);
  MustGet(*cache, 1);
  const auto next = MakeParameters(2);
  std::atomic<bool> mixing = false;
  while_mixing_ = [&] {
    if (mixing.exchange(true)) return;
    EXPECT_THAT(Prewarm(*cache, {5}), ElementsAre(Code::kResourceExhausted));
    EXPECT_TRUE(Get(*cache, 9).ok());
  };
  EXPECT_EQ(Remix(*cache, next), 1);
  EXPECT_TRUE(cache->Holds(*next, KeyNumber(1)));
  EXPECT_THAT(Prewarm(*cache, {5}), ElementsAre(Code::kOk));
}

}  // namespace
}  // namespace trimtab
