#include "server/job_thread.h"

#include <sched.h>

#include <atomic>

#include "gtest/gtest.h"
#include "tests/server/event.h"

namespace trimtab {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(JobThreadTest, RunsJobsOneAfterTheOtherAndTheLastBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    JobThread thread(JobThread::Priority::kNormal);
    for (int i = 0; i < 3; ++i) {
      Event done;
      thread.Run([&] {
        ++ran;
        done.Set();
      });
      done.Wait();
    }
    thread.Run([&] { ++ran; });
  }
  EXPECT_EQ(ran, 4);
}

TEST(JobThreadTest, OfIdlePriorityLetsAllOthersGoFirst) {
  int policy = -1;
  {
    JobThread thread(JobThread::Priority::kIdle);
    thread.Run([&] { policy = sched_getscheduler(0); });
  }
  EXPECT_EQ(policy, SCHED_IDLE);
}

TEST(JobThreadTest, AnAlarmGoesOffOnceAtItsTimeAndALaterOneReplacesIt) {
  std::atomic<int> first = 0, second = 0;
  JobThread thread(JobThread::Priority::kNormal);
  thread.SetAlarm(JobThread::Time::clock::now() + hours(1), [&] { ++first; });
  thread.SetAlarm(JobThread::Time::clock::now() + milliseconds(1), [&] { ++second; });
  EXPECT_TRUE(Eventually([&] { return second == 1; }));
  Event done;
  thread.Run([&] { done.Set(); });
  done.Wait();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST(JobThreadTest, EndsWithoutWaitingForItsAlarm) {
  JobThread thread(JobThread::Priority::kNormal);
  thread.SetAlarm(JobThread::Time::clock::now() + hours(1), [] {});
}

}  // namespace
}  // namespace trimtab
