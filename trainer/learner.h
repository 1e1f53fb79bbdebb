// One update of Algorithm 1: policy gradient and value network. libtorch lives behind this.
#ifndef TRIMTAB_TRAINER_LEARNER_H_
#define TRIMTAB_TRAINER_LEARNER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/weighting.h"
#include "trainer/objective.h"

namespace trimtab {

// How advantages are made (paper B.1, and its light alternative).
enum class Baseline { kValueNetwork, kLeaveOneOut };

struct LearnerOptions {
  Baseline baseline = Baseline::kValueNetwork;
  int samples_per_article = 1;  // At least 2 for kLeaveOneOut.
  double learning_rate = 3e-5;
  double value_learning_rate = 1e-4;
  int micro_batch = 8;  // Sequences of one forward and backward pass, of similar length: bounds memory and padding.
  int threads = 2;
};

// What was sampled under one weighting.
struct LearnerBatch {
  const Weighting* weighting = nullptr;
  std::vector<std::vector<int32_t>> inputs;          // What the policy read.
  std::vector<std::vector<int32_t>> articles;        // What reference and value network read: no prompt conditioning.
  std::vector<std::vector<int32_t>> targets;         // What the policy wrote.
  std::vector<std::vector<float>> engine_log_probs;  // Per token, as the engine has them.
  std::vector<Outcome> outcomes;
};

struct LearnerStats {
  double objective = 0.0;         // Mean r.
  double advantage = 0.0;         // Mean before normalisation.
  double advantage_spread = 0.0;  // Its standard deviation.
  double value_loss = 0.0;        // MSE against R_i; 0 with kLeaveOneOut.
  double gradient_norm = 0.0;     // Of the LM's gradient.
  double log_prob_gap = 0.0;      // Largest |engine - libtorch| of a token.
};

// phi, the value network and their optimisers. Not thread-safe.
class Learner {
 public:
  // Goes on from the CLP checkpoint `from`, of a run that began with `origin`: its reference is theta_ref
  // (ReferenceWeights).
  static absl::StatusOr<std::unique_ptr<Learner>> Create(const Checkpoint& from, const Checkpoint& origin,
                                                         const LearnerOptions& options);
  virtual ~Learner() = default;

  // theta at `coefficients`, as a plain T5 over the learner's own memory; valid until the next Update.
  virtual Checkpoint Mixed(const Coefficients& coefficients) = 0;
  // theta_ref, likewise; never changes.
  virtual Checkpoint Reference() const = 0;

  // REQUIRES: `batch` was written by Mixed(coefficients), since the last Update.
  virtual LearnerStats Update(const Coefficients& coefficients, const LearnerBatch& batch) = 0;

  // The parameters now, float32: a copy.
  virtual Checkpoint Snapshot(uint64_t sequence) const = 0;
  // Value network and optimisers, by name; views, valid until the next Update.
  virtual std::map<std::string, Tensor, std::less<>> State() const = 0;
  // InvalidArgument where `state` is not one of these parameters.
  virtual absl::Status Restore(const Safetensors& state) = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_LEARNER_H_
