#ifndef TRIMTAB_KERNELS_THREAD_POOL_H_
#define TRIMTAB_KERNELS_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace trimtab {

// `threads`, or where that is 0 one per core of this machine.
int ThreadsOrCores(int threads);

// Runs short loops on a fixed set of threads. Idle workers spin briefly, then sleep; a worker that wakes late finds
// nothing to claim and nobody waits for it, so a busy machine costs no more than running alone.
// One caller at a time.
class ThreadPool {
 public:
  static constexpr int64_t kMaxItems = (1 << 20) - 1;

  // `threads` >= 1 includes the caller.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(i, thread) once for each i in [0, items), thread in [0, threads()); returns when all are done.
  // REQUIRES: items <= kMaxItems.
  void ParallelFor(int64_t items, absl::FunctionRef<void(int64_t item, int thread)> body);

 private:
  using Body = absl::FunctionRef<void(int64_t, int)>;

  void WorkerLoop(int thread);
  // Claims and runs items of the job that `state` belongs to, until none is left or a newer job began.
  void RunItems(uint64_t state, int thread);

  // One word, so that a claim is valid exactly for the job it was read from: epoch | items | next item.
  std::atomic<uint64_t> state_{0};
  std::atomic<const Body*> body_{nullptr};
  std::atomic<int64_t> completed_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_THREAD_POOL_H_
