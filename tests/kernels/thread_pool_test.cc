#include "kernels/thread_pool.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

TEST(ThreadPoolTest, RunsEveryItemOnceWhateverTheNumberOfThreads) {
  for (int threads = 1; threads <= 5; ++threads) {
    ThreadPool pool(threads);
    for (int64_t items : {0, 1, 2, 3, 17, 1000}) {
      std::vector<std::atomic<int>> runs(items);
      pool.ParallelFor(items, [&](int64_t item, int thread) {
        EXPECT_GE(thread, 0);
        EXPECT_LT(thread, threads);
        ++runs[item];
      });
      for (const auto& count : runs) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPoolTest, ManyShortJobsInARowDoNotMixUp) {
  ThreadPool pool(4);
  for (int job = 0; job < 20000; ++job) {
    std::atomic<int64_t> sum{0};
    pool.ParallelFor(5, [&](int64_t item, int) { sum += item + job; });
    ASSERT_EQ(sum, 10 + 5 * job);
  }
}

TEST(ThreadPoolTest, WakesWorkersThatWentToSleep) {
  ThreadPool pool(3);
  for (int job = 0; job < 5; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> runs{0};
    pool.ParallelFor(50, [&](int64_t, int) { ++runs; });
    EXPECT_EQ(runs, 50);
  }
}

}  // namespace
}  // namespace trimtab
