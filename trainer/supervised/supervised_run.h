#ifndef TRIMTAB_TRAINER_SUPERVISED_SUPERVISED_RUN_H_
#define TRIMTAB_TRAINER_SUPERVISED_SUPERVISED_RUN_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/supervised/task.h"

namespace trimtab {

struct SupervisedOptions {
  int64_t steps = 3000;
  int batch_size = 32;
  // Adafactor's, relative to the size of a parameter: the highest, after warm-up; then it falls to 0 along a cosine.
  double learning_rate = 1e-3;
  int64_t warmup_steps = 100;
  double dropout = 0.0;  // With it one thread does the work: libtorch draws from one generator.
  int threads = 1;       // A batch is shared out among them. Bits are equal for equal numbers.
  uint64_t seed = 1;
  int64_t evaluate_every = 250;    // Steps between held-out losses.
  int64_t checkpoint_every = 250;  // Steps that a kill may cost.
  // What the state must have been begun with to be continued: all else that the result depends on.
  std::string settings;
};

// How training stands.
struct Progress {
  int64_t step = 0;       // Done.
  double loss = 0.0;      // Mean over the batches since the last report.
  double held_out = 0.0;  // Loss.
  double accuracy = 0.0;  // Held-out share of right judgements; 0 for a task that does not judge.
};

// Moves `weights` (leaves, in place) by the mean gradient of each batch. State goes to the file `state` every
// checkpoint_every steps and at the end, as a whole or not at all; where it is there already, training goes on from it,
// bit by bit as if it had not stopped. `report` is called at each evaluation and for the last step.
//
// FailedPrecondition when `state` was begun with other options, settings or tensors; Internal when the loss stops being
// finite.
absl::StatusOr<Progress> RunSupervised(const T5Config& config, const SupervisedOptions& options, const Task& train,
                                       const Task& held_out, const std::string& state, NamedTensors& weights,
                                       const std::function<void(const Progress&)>& report);

// Step counts from 0.
double LearningRateAt(const SupervisedOptions& options, int64_t step);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_SUPERVISED_SUPERVISED_RUN_H_
