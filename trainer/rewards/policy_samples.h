#ifndef TRIMTAB_TRAINER_REWARDS_POLICY_SAMPLES_H_
#define TRIMTAB_TRAINER_REWARDS_POLICY_SAMPLES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/clp_config.h"
#include "model/mixed_weights.h"
#include "model/tokenizer.h"
#include "model/weighting.h"
#include "trainer/corpora/corpus.h"
#include "trainer/rollouts.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

struct PolicySamplesOptions {
  std::string model;      // CLP checkpoint.
  std::string reference;  // The plain T5 it is held against, of the same vocabulary.
  RolloutOptions rollouts;
  uint64_t seed = 1;
  bool realign = false;  // Logits are mixed instead of parameters (realignment.h).
};

// One summary per example, drawn as training draws them.
struct Samples {
  std::vector<std::string> summaries;
  std::vector<double> log_ratios;  // log pi(y|x) - log pi_ref(y|x): their mean is an unbiased estimate of the KL.
};

// What a policy writes, and how far from its reference that is. Not thread-safe.
class PolicySamples {
 public:
  // InvalidArgument when the reference is no plain T5, or of another vocabulary; also when a policy to be realigned
  // reads its weights in the prompt, as its reference would have to read the same.
  static absl::StatusOr<PolicySamples> Open(const PolicySamplesOptions& options);

  // `weighting` is of the model's rewards, by RealignedRule where it realigns. Each example has a seed of its own, the
  // same at every weighting.
  absl::StatusOr<Samples> Draw(std::span<const Example> examples, const Weighting& weighting);
  // The summary of each example, written as `generation` and the model's own defaults say.
  absl::StatusOr<std::vector<std::string>> Write(std::span<const Example> examples, const Weighting& weighting,
                                                 const v1::GenerationOptions& generation);

 private:
  explicit PolicySamples(const PolicySamplesOptions& options, Rollouts rollouts)
      : options_(options), rollouts_(std::move(rollouts)) {}
  // The models that write at this weighting: one, or two whose logits are mixed.
  absl::StatusOr<std::vector<LogitExpert>> Models(const Weighting& weighting);
  absl::StatusOr<std::vector<std::vector<int32_t>>> Encode(const ClpConfig& clp, const Weighting& weighting,
                                                           std::span<const Example> examples) const;

  const PolicySamplesOptions options_;
  Rollouts rollouts_;
  ClpConfig clp_;
  int32_t eos_id_ = 1;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::shared_ptr<const Parameters> parameters_;
  std::shared_ptr<const MixedWeights> reference_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_REWARDS_POLICY_SAMPLES_H_
