#include "server/job_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <utility>

namespace trimtab {
namespace {

// Of the calling thread: Linux keeps both per thread.
void TakeIdlePriority() {
  const sched_param none{};
  if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) != 0) setpriority(PRIO_PROCESS, 0, 19);
}

}  // namespace

JobThread::JobThread(Priority priority) : thread_([this, priority] { Loop(priority); }) {}

JobThread::~JobThread() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void JobThread::Run(std::function<void()> job) {
  MutexLock lock(mutex_);
  job_ = std::move(job);
  changed_.NotifyAll();
}

void JobThread::SetAlarm(Time when, std::function<void()> alarm) {
  MutexLock lock(mutex_);
  alarm_time_ = when;
  alarm_ = std::move(alarm);
  changed_.NotifyAll();
}

void JobThread::Loop(Priority priority) {
  if (priority == Priority::kIdle) TakeIdlePriority();
  while (true) {
    std::function<void()> next;
    {
      MutexLock lock(mutex_);
      while (job_ == nullptr && !stop_ &&
             !(alarm_time_.has_value() && *alarm_time_ <= std::chrono::steady_clock::now())) {
        if (alarm_time_.has_value()) {
          changed_.WaitUntil(mutex_, *alarm_time_);
        } else {
          changed_.Wait(mutex_);
        }
      }
      if (job_ != nullptr) {
        next = std::exchange(job_, nullptr);
      } else if (stop_) {
        return;
      } else {
        alarm_time_.reset();
        next = std::exchange(alarm_, nullptr);
      }
    }
    next();
  }
}

}  // namespace trimtab
