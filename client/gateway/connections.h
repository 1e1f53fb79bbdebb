#ifndef TRIMTAB_CLIENT_GATEWAY_CONNECTIONS_H_
#define TRIMTAB_CLIENT_GATEWAY_CONNECTIONS_H_

#include <httplib.h>

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace trimtab {

// A thread for each connection, so that one who reads slowly holds up nobody else. Up to `most` are served at once,
// more wait for their turn. Threads stay until the end. Called by the server's thread.
class Connections : public httplib::TaskQueue {
 public:
  explicit Connections(size_t most) : most_(most) {}

  void enqueue(std::function<void()> serve) override;
  void shutdown() override;  // Waits until all that were taken have been served.

 private:
  void Work();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); }

  const size_t most_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_CONNECTIONS_H_
