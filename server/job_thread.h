#ifndef TRIMTAB_SERVER_JOB_THREAD_H_
#define TRIMTAB_SERVER_JOB_THREAD_H_

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "server/mutex.h"

namespace trimtab {

// A thread that runs one job at a time, and something at a set time while it has none. Thread-safe.
class JobThread {
 public:
  using Time = std::chrono::steady_clock::time_point;

  enum class Priority {
    kNormal,
    kIdle,  // Runs where nobody else wants the processor (SCHED_IDLE; nice 19 where that is not allowed).
  };

  explicit JobThread(Priority priority);
  // Runs what was given to it, then joins.
  ~JobThread();
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  // REQUIRES: the job before is done.
  void Run(std::function<void()> job);
  // Calls `alarm` at `when` or, where a job runs then, after it. Replaces the alarm set before.
  void SetAlarm(Time when, std::function<void()> alarm);

 private:
  void Loop(Priority priority);

  Mutex mutex_;
  CondVar changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> job_ ABSL_GUARDED_BY(mutex_);
  std::optional<Time> alarm_time_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> alarm_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it starts when all else is made.
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_JOB_THREAD_H_
