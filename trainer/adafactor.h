#ifndef TRIMTAB_TRAINER_ADAFACTOR_H_
#define TRIMTAB_TRAINER_ADAFACTOR_H_

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "kernels/thread_pool.h"
#include "trainer/policy.h"
#include "trainer/tensors.h"

namespace trimtab {

struct AdafactorOptions {
  double decay_exponent = 0.8;        // Of the second moments: 1 - t^-0.8 at step t.
  double clipping_threshold = 1.0;    // Of an update's root mean square, per tensor.
  double min_parameter_scale = 1e-3;  // Steps are relative to a tensor's root mean square, at least to this.
  double epsilon = 1e-30;             // Added to squared gradients.
  int64_t min_factored_size = 128;    // Smaller of the two largest extents from which second moments are factored.
};

// Adafactor as T5X and optax have it: factored second moments, steps clipped and relative to the size of the parameter,
// no momentum, no weight decay. Not thread-safe.
class Adafactor {
 public:
  // Moves `parameters` in place.
  explicit Adafactor(std::vector<NamedParameter> parameters, const AdafactorOptions& options = {});

  // One step against `gradients`, one for each parameter. A parameter whose gradient is undefined stays as it is, and
  // its second moments stay too: no zeros are averaged in. With a `pool`, parameters move side by side.
  void Step(std::span<const torch::Tensor> gradients, double learning_rate, ThreadPool* pool = nullptr);

  // Second moments and step counts: "<parameter>/v", "/row", "/column", "/step". A view, which Step moves.
  NamedTensors State() const;
  // Continues where another left off. InvalidArgument unless `state` is that of the same parameters.
  absl::Status Restore(const NamedTensors& state);

 private:
  struct Moments {
    int64_t long_axis = -1, short_axis = -1;  // The two largest extents; -1: not factored.
    torch::Tensor row, column;                // Means over long_axis and over short_axis.
    torch::Tensor full;                       // Of what is not factored.
    torch::Tensor step = torch::zeros({1});   // Counted from 0, per parameter.
  };

  torch::Tensor Scaled(const torch::Tensor& gradient, Moments& moments) const;
  void Move(size_t parameter, const torch::Tensor& gradient, double learning_rate);

  const AdafactorOptions options_;
  std::vector<NamedParameter> parameters_;
  std::vector<Moments> moments_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_ADAFACTOR_H_
