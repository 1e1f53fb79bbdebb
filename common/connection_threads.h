#ifndef TRIMTAB_COMMON_CONNECTION_THREADS_H_
#define TRIMTAB_COMMON_CONNECTION_THREADS_H_

#include <httplib.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace trimtab {

// A thread for each HTTP connection, made when none is idle and kept until the end, so that one who reads or sends
// slowly holds up nobody else. `most` are served at once; while all threads are busy the listening thread waits, so
// that one more than `most` is accepted and the system keeps the others. Thread-safe.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t most) : most_(most) {}
  ~ConnectionThreads() override { shutdown(); }

  void enqueue(std::function<void()> connection) override;
  void shutdown() override;  // Ends when all connections have.

 private:
  void Work();
  void StartThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return waiting_.size() <= idle_ || threads_.size() < most_;
  }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return over_ || !waiting_.empty(); }

  const size_t most_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace trimtab

#endif  // TRIMTAB_COMMON_CONNECTION_THREADS_H_
