#ifndef TRIMTAB_TRAINER_GRADIENT_WORKERS_H_
#define TRIMTAB_TRAINER_GRADIENT_WORKERS_H_

#include <torch/torch.h>

#include <cstddef>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kernels/thread_pool.h"
#include "trainer/tensors.h"

namespace trimtab {

// Spreads jobs over `shares` so that none has much more to do than another: the costliest first, each to the share that
// has least so far. Depends on the arguments alone. REQUIRES: shares > 0.
std::vector<std::vector<size_t>> ShareOut(std::span<const size_t> costs, int shares);

// Runs forward and backward passes on several threads, each with gradients of its own: libtorch's own threads share
// out single operations, of which small models have too many too small. Not thread-safe.
class GradientWorkers {
 public:
  // `threads` includes the caller. libtorch itself keeps to the thread it is called on, in the whole process.
  explicit GradientWorkers(int threads);

  // Calls work(job, leaves) for each of `costs`; `leaves` are `weights` by memory, and gather the gradients of what
  // runs on one thread. Adds them up in grad() of `weights`, in an order that depends on costs and threads alone.
  void Gather(NamedTensors& weights, std::span<const size_t> costs,
              absl::FunctionRef<void(size_t job, const NamedTensors& leaves)> work);

  // For other loops of an update.
  ThreadPool& pool() { return pool_; }

 private:
  ThreadPool pool_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_GRADIENT_WORKERS_H_
