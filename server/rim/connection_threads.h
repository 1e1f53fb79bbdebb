#ifndef TRIMTAB_SERVER_RIM_CONNECTION_THREADS_H_
#define TRIMTAB_SERVER_RIM_CONNECTION_THREADS_H_

#include <httplib.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "server/mutex.h"

namespace trimtab {

// A thread for each HTTP connection, made when none is idle, so that callers who send nothing hold up nobody else;
// `most` of them, then connections wait. Thread-safe.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t most) : most_(most) {}
  ~ConnectionThreads() override { shutdown(); }

  void enqueue(std::function<void()> connection) override;
  void shutdown() override;  // Ends when all connections have.

 private:
  void Work();

  const size_t most_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_CONNECTION_THREADS_H_
