#include "server/mixed_weight_cache.h"

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/server/event.h"
#include "tests/server/fake_model.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;

using Weights = std::shared_ptr<const MixedWeights>;

class MixedWeightCacheTest : public ::testing::Test {
 protected:
  // A cache that holds `mixtures` of parameters_, mixing by `mix` or else at once.
  std::unique_ptr<MixedWeightCache> NewCache(int mixtures, MixedWeightCache::MixFunction mix = nullptr,
                                             int threads = 1) {
    if (mix == nullptr) {
      mix = [this](const auto& parameters, const auto&) { return memory_.Mix(MixedWeights::Bytes(*parameters)); };
    }
    const MixedWeightCache::Options options{.byte_budget = mixtures * one_, .mixer_threads = threads};
    return std::make_unique<MixedWeightCache>(options, std::move(mix), &metrics_);
  }

  // Acquires and waits.
  absl::StatusOr<MixedWeightLease> Get(MixedWeightCache& cache, int key) {
    absl::StatusOr<MixedWeightLease> got = absl::UnknownError("not called");
    Event done;
    cache.Acquire(parameters_, KeyNumber(key), [&](absl::StatusOr<MixedWeightLease> lease) {
      got = std::move(lease);
      done.Set();
    });
    done.Wait();
    return got;
  }

  // The lease itself; fails the test on an error.
  MixedWeightLease MustGet(MixedWeightCache& cache, int key) {
    auto lease = Get(cache, key);
    EXPECT_TRUE(lease.ok()) << lease.status();
    return lease.ok() ? *std::move(lease) : MixedWeightLease();
  }

  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  FakeMemory memory_;
  const std::shared_ptr<const Parameters> parameters_ = MakeParameters(1);
  const int64_t one_ = MixedWeights::Bytes(*parameters_);
};

TEST_F(MixedWeightCacheTest, MixesAMissingKeyAndKeepsIt) {
  auto cache = NewCache(2);
  const MixedWeightLease first = MustGet(*cache, 1);
  EXPECT_EQ(first.outcome, CacheOutcome::kMiss);
  EXPECT_GE(first.mix_time, absl::ZeroDuration());
  const MixedWeightLease second = MustGet(*cache, 1);
  EXPECT_EQ(second.outcome, CacheOutcome::kHit);
  EXPECT_EQ(second.mix_time, absl::ZeroDuration());
  EXPECT_EQ(second.weights.get(), first.weights.get());
  EXPECT_EQ(memory_.mixes, 1);
}

TEST_F(MixedWeightCacheTest, VersionsDoNotShareEntries) {
  auto cache = NewCache(2);
  const MixedWeightLease old = MustGet(*cache, 1);
  Event done;
  cache->Acquire(MakeParameters(2), KeyNumber(1), [&](absl::StatusOr<MixedWeightLease> lease) {
    ASSERT_TRUE(lease.ok());
    EXPECT_EQ(lease->outcome, CacheOutcome::kMiss);
    EXPECT_NE(lease->weights.get(), old.weights.get());
    done.Set();
  });
  done.Wait();
}

TEST_F(MixedWeightCacheTest, SixtyFourThreadsOnOneKeyCauseOneMix) {
  Event release;
  auto cache = NewCache(2, [&](const auto& parameters, const auto&) {
    release.Wait();
    return memory_.Mix(MixedWeights::Bytes(*parameters));
  });
  std::atomic<int> served = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] {
      cache->Acquire(parameters_, KeyNumber(5), [&](absl::StatusOr<MixedWeightLease> lease) { served += lease.ok(); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  release.Set();
  EXPECT_TRUE(Eventually([&] { return served == 64; }));
  EXPECT_EQ(memory_.mixes, 1);
  const auto stats = cache->stats();
  EXPECT_EQ(stats.misses, 1);
  EXPECT_EQ(stats.shared, 63);
  EXPECT_EQ(metrics_.cache_coalesced.Value(), 63);
}

TEST_F(MixedWeightCacheTest, EvictsTheLeastRecentlyUsed) {
  auto cache = NewCache(2);
  MustGet(*cache, 1);
  MustGet(*cache, 2);
  MustGet(*cache, 1);  // 2 is the older now.
  MustGet(*cache, 3);
  EXPECT_EQ(MustGet(*cache, 1).outcome, CacheOutcome::kHit);
  EXPECT_EQ(MustGet(*cache, 2).outcome, CacheOutcome::kMiss);
  EXPECT_EQ(cache->stats().evictions, 2);
}

TEST_F(MixedWeightCacheTest, APinnedEntryOutlivesAnyNumberOfMixes) {
  auto cache = NewCache(2);
  const MixedWeightLease pinned = MustGet(*cache, 0);
  for (int key = 1; key < 20; ++key) MustGet(*cache, key);
  const MixedWeightLease again = MustGet(*cache, 0);
  EXPECT_EQ(again.outcome, CacheOutcome::kHit);
  EXPECT_EQ(again.weights.get(), pinned.weights.get());
}

TEST_F(MixedWeightCacheTest, ACopyOfTheWeightsPinsLikeTheLease) {
  auto cache = NewCache(1);
  Weights copy = MustGet(*cache, 0).weights;
  std::atomic<bool> mixed = false;
  cache->Acquire(parameters_, KeyNumber(1), [&](absl::StatusOr<MixedWeightLease> lease) { mixed = lease.ok(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(mixed);
  copy.reset();
  EXPECT_TRUE(Eventually([&] { return mixed.load(); }));
}

TEST_F(MixedWeightCacheTest, MixesWaitInOrderWhileAllIsPinned) {
  auto cache = NewCache(1);
  Weights pinned = MustGet(*cache, 0).weights;
  Mutex mutex;
  std::vector<int> order;
  std::atomic<int> done = 0;
  for (int key = 1; key <= 4; ++key) {
    cache->Acquire(parameters_, KeyNumber(key), [&, key](absl::StatusOr<MixedWeightLease> lease) {
      EXPECT_TRUE(lease.ok());
      {
        MutexLock lock(mutex);
        order.push_back(key);
      }
      ++done;
    });
  }
  EXPECT_EQ(memory_.mixes, 1);
  pinned.reset();
  ASSERT_TRUE(Eventually([&] { return done == 4; }));
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
  EXPECT_LE(memory_.peak, one_);
}

TEST_F(MixedWeightCacheTest, AFailedMixIsReportedToAllWaitersAndNotKept) {
  Event release;
  std::atomic<int> calls = 0;
  auto cache = NewCache(1, [&](const auto& parameters, const auto&) -> absl::StatusOr<Weights> {
    release.Wait();
    if (++calls == 1) return absl::ResourceExhaustedError("no memory");
    return memory_.Mix(MixedWeights::Bytes(*parameters));
  });
  std::atomic<int> failed = 0;
  for (int i = 0; i < 3; ++i) {
    cache->Acquire(parameters_, KeyNumber(1), [&](absl::StatusOr<MixedWeightLease> lease) {
      failed += absl::IsResourceExhausted(lease.status());
    });
  }
  release.Set();
  ASSERT_TRUE(Eventually([&] { return failed == 3; }));
  EXPECT_EQ(cache->stats().entries, 0);
  EXPECT_EQ(cache->stats().bytes, 0);
  EXPECT_EQ(MustGet(*cache, 1).outcome, CacheOutcome::kMiss);
}

TEST_F(MixedWeightCacheTest, AMixtureLargerThanTheBudgetIsRefusedAtOnce) {
  auto cache = NewCache(0);
  const auto lease = Get(*cache, 1);
  EXPECT_TRUE(absl::IsResourceExhausted(lease.status())) << lease.status();
  EXPECT_EQ(memory_.mixes, 0);
}

TEST_F(MixedWeightCacheTest, DestructionFailsWhatWaitsForRoom) {
  auto cache = NewCache(1);
  const MixedWeightLease pinned = MustGet(*cache, 0);
  std::atomic<int> cancelled = 0;
  for (int key = 1; key <= 3; ++key) {
    cache->Acquire(parameters_, KeyNumber(key),
                   [&](absl::StatusOr<MixedWeightLease> lease) { cancelled += absl::IsCancelled(lease.status()); });
  }
  cache.reset();
  EXPECT_EQ(cancelled, 3);
  EXPECT_EQ(memory_.mixes, 1);
}

TEST_F(MixedWeightCacheTest, DestructionFailsWhatWaitsForAMixUnderWay) {
  Event begun, release;
  auto cache = NewCache(1, [&](const auto& parameters, const auto&) {
    begun.Set();
    release.Wait();
    return memory_.Mix(MixedWeights::Bytes(*parameters));
  });
  std::atomic<int> calls = 0;
  cache->Acquire(parameters_, KeyNumber(1), [&](absl::StatusOr<MixedWeightLease> lease) {
    EXPECT_TRUE(absl::IsCancelled(lease.status()));
    ++calls;
    release.Set();
  });
  begun.Wait();
  cache.reset();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(memory_.live, 0);
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

TEST_F(MixedWeightCacheTest, MetricsFollowTheCache) {
  auto cache = NewCache(2);
  EXPECT_EQ(metrics_.cache_capacity_bytes.Value(), 2.0 * one_);
  for (const int key : {1, 1, 2, 3}) MustGet(*cache, key);
  EXPECT_EQ(metrics_.cache_hits.Value(), 1);
  EXPECT_EQ(metrics_.cache_misses.Value(), 3);
  EXPECT_EQ(metrics_.cache_evictions.Value(), 1);
  EXPECT_EQ(metrics_.cache_entries.Value(), 2);
  EXPECT_EQ(metrics_.cache_bytes.Value(), 2.0 * one_);
}

TEST_F(MixedWeightCacheTest, TheBudgetHoldsUnderRandomLoad) {
  constexpr int kMixtures = 3;
  std::atomic<uint32_t> count = 0;
  auto cache = NewCache(
      kMixtures,
      [&](const auto& parameters, const auto&) -> absl::StatusOr<Weights> {
        if (++count % 16 == 0) return absl::InternalError("unlucky");
        return memory_.Mix(MixedWeights::Bytes(*parameters));
      },
      2);
  std::atomic<int> called = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(t + 1);
      for (int i = 0; i < 300; ++i) {
        const bool hold = random() % 4 == 0;
        // At most one lease per thread is held while waiting for another, so everyone gets on in the end.
        const auto lease = Get(*cache, static_cast<int>(random() % 8));
        ++called;
        if (lease.ok() && hold) std::this_thread::yield();
        ASSERT_LE(cache->stats().bytes, kMixtures * one_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(called, 4 * 300);
  EXPECT_LE(memory_.peak, kMixtures * one_);
  const auto stats = cache->stats();
  EXPECT_EQ(stats.hits + stats.misses + stats.shared, 4 * 300);
  EXPECT_GT(stats.evictions, 0);
  EXPECT_EQ(memory_.live, stats.bytes);
}

TEST_F(MixedWeightCacheTest, TheBudgetHoldsForVersionsOfDifferentSizes) {
  const auto large = MakeParameters(2, 100);
  auto cache = NewCache(4, nullptr, 2);
  const int64_t budget = 4 * one_;
  ASSERT_LE(MixedWeights::Bytes(*large), budget);
  std::mt19937 random(7);
  std::atomic<int> called = 0;
  for (int i = 0; i < 500; ++i) {
    cache->Acquire(random() % 2 ? large : parameters_, KeyNumber(static_cast<int>(random() % 6)),
                   [&](absl::StatusOr<MixedWeightLease> lease) { called += lease.ok(); });
    ASSERT_LE(cache->stats().bytes, budget);
  }
  EXPECT_TRUE(Eventually([&] { return called == 500; }));
  EXPECT_LE(memory_.peak, budget);
}

}  // namespace
}  // namespace trimtab
