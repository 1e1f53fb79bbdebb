#ifndef TRIMTAB_SERVER_MAILBOX_H_
#define TRIMTAB_SERVER_MAILBOX_H_

#include <utility>
#include <vector>

#include "server/mutex.h"

namespace trimtab {

// What other threads leave for the one worker of an object, which rests when nothing is left and is woken by who finds
// it resting. A post is one critical section: once the worker has taken an item, who posted it touches the object no
// more, unless it is to wake the worker. So a worker that has all it waits for may destroy the object. Thread-safe.
template <typename T>
class Mailbox {
 public:
  // True: the worker rests; the caller, and nobody else, must make it work.
  [[nodiscard]] bool Post(T item) {
    MutexLock lock(mutex_);
    items_.push_back(std::move(item));
    return !std::exchange(working_, true);
  }

  // The rest belongs to the worker. At first it works.
  std::vector<T> Take() {
    MutexLock lock(mutex_);
    return std::exchange(items_, {});
  }
  // False: something was left meanwhile; take it.
  [[nodiscard]] bool Rest() {
    MutexLock lock(mutex_);
    if (!items_.empty()) return false;
    working_ = false;
    return true;
  }

 private:
  Mutex mutex_;
  std::vector<T> items_ ABSL_GUARDED_BY(mutex_);
  bool working_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_MAILBOX_H_
