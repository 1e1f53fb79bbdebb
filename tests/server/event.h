// Waiting in tests, over our own Mutex so that ThreadSanitizer sees it.
#ifndef TRIMTAB_TESTS_SERVER_EVENT_H_
#define TRIMTAB_TESTS_SERVER_EVENT_H_

#include <chrono>
#include <functional>
#include <thread>

#include "server/mutex.h"

namespace trimtab {

// Happens once; all waiters pass from then on. Thread-safe.
class Event {
 public:
  void Set() {
    MutexLock lock(mutex_);
    set_ = true;
    changed_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(mutex_);
    while (!set_) changed_.Wait(mutex_);
  }
  bool IsSet() {
    MutexLock lock(mutex_);
    return set_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool set_ ABSL_GUARDED_BY(mutex_) = false;
};

// Polls `condition` for up to ten seconds; returns whether it came true.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_EVENT_H_
