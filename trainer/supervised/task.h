// What the supervised stage can learn: to write summaries, to tell what follows from a document, to tell better from
// worse.
#ifndef TRIMTAB_TRAINER_SUPERVISED_TASK_H_
#define TRIMTAB_TRAINER_SUPERVISED_TASK_H_

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/rewards/reward_model_config.h"
#include "model/tokenizer.h"
#include "trainer/corpora/constructed_pairs.h"
#include "trainer/corpora/corpus.h"
#include "trainer/t5.h"
#include "trainer/tensors.h"

namespace trimtab {

// The loss over a batch of examples.
struct BatchLoss {
  torch::Tensor sum;     // Scalar, with gradients.
  double units = 0.0;    // What it is the sum over: tokens, or judgements.
  double correct = 0.0;  // Judgements that were right; 0 for a task that does not judge.
};

// Examples, tokenized, and their loss. Immutable; weights carry the gradients.
class Task {
 public:
  virtual ~Task() = default;
  virtual bool judges() const = 0;
  // Of each example, in tokens: examples of like lengths should share a batch.
  const std::vector<int32_t>& lengths() const { return lengths_; }
  virtual BatchLoss Loss(const T5& t5, const NamedTensors& weights, std::span<const size_t> examples) const = 0;

 protected:
  std::vector<int32_t> lengths_;
};

struct SummaryTaskOptions {
  std::string task_prefix = "summarize: ";
  int32_t max_input_tokens = 128;  // Longer documents are cut.
  int32_t max_target_tokens = 64;  // Longer summaries too.
};

// Teacher forcing: the mean cross-entropy of a token of the summary, </s> included, in nats.
absl::StatusOr<std::unique_ptr<Task>> NewSummaryTask(std::span<const Example> examples, const Tokenizer& tokenizer,
                                                     const T5Config& config, const SummaryTaskOptions& options);

// Which token the decoder's first step says no with, beside RewardModelConfig::token_id for yes.
inline constexpr int32_t kNoToken = 4;

// Cross-entropy of yes or no among all tokens.
absl::StatusOr<std::unique_ptr<Task>> NewConsistencyTask(std::span<const Judgement> judgements,
                                                         const Tokenizer& tokenizer, const T5Config& config,
                                                         const RewardModelConfig& reward);

// Bradley and Terry: -log sigmoid(score of the better - score of the worse), the score being the logit of token_id.
absl::StatusOr<std::unique_ptr<Task>> NewQualityTask(std::span<const Preference> preferences,
                                                     const Tokenizer& tokenizer, const T5Config& config,
                                                     const RewardModelConfig& reward);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_SUPERVISED_TASK_H_
