#include "trainer/supervised/task.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

Sequences Pick(const Sequences& all, std::span<const size_t> indices) {
  Sequences picked;
  for (const size_t index : indices) picked.push_back(all[index]);
  return picked;
}

// (batch, vocabulary) of the decoder's first step.
torch::Tensor FirstLogits(const T5& t5, const NamedTensors& weights, const Sequences& inputs) {
  const TokenBatch batch = PadTokens(inputs, t5.config().pad_id);
  const torch::Tensor start =
      torch::full({batch.ids.size(0), 1}, t5.config().decoder_start_id, torch::TensorOptions(torch::kInt64));
  const torch::Tensor encoded = t5.Encode(weights, batch);
  return t5.Logits(weights, t5.Decode(weights, encoded, batch.mask, start)).squeeze(1);
}

class SummaryTask final : public Task {
 public:
  SummaryTask(Sequences inputs, Sequences targets, int32_t pad_id)
      : inputs_(std::move(inputs)), targets_(std::move(targets)), pad_id_(pad_id) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      lengths_.push_back(static_cast<int32_t>(inputs_[i].size() + targets_[i].size()));
    }
  }

  bool judges() const override { return false; }

  BatchLoss Loss(const T5& t5, const NamedTensors& weights, std::span<const size_t> examples) const override {
    const Sequences targets = Pick(targets_, examples);
    double tokens = 0.0;
    for (const auto& target : targets) tokens += static_cast<double>(target.size());
    const torch::Tensor log_probs = t5.LogProbs(weights, PadTokens(Pick(inputs_, examples), pad_id_), targets);
    return {.sum = -log_probs.sum(), .units = tokens};
  }

 private:
  const Sequences inputs_, targets_;
  const int32_t pad_id_;
};

class ConsistencyTask final : public Task {
 public:
  ConsistencyTask(Sequences inputs, std::vector<bool> consistent, int32_t yes)
      : inputs_(std::move(inputs)), consistent_(std::move(consistent)), yes_(yes) {
    for (const auto& input : inputs_) lengths_.push_back(static_cast<int32_t>(input.size()));
  }

  bool judges() const override { return true; }

  BatchLoss Loss(const T5& t5, const NamedTensors& weights, std::span<const size_t> examples) const override {
    std::vector<int64_t> labels;
    for (const size_t index : examples) labels.push_back(consistent_[index] ? yes_ : kNoToken);
    const torch::Tensor target = torch::tensor(labels);
    const torch::Tensor logits = FirstLogits(t5, weights, Pick(inputs_, examples));
    const torch::Tensor says_yes = logits.select(1, yes_) > logits.select(1, kNoToken);
    return {.sum = torch::nll_loss(torch::log_softmax(logits, 1), target, {}, at::Reduction::Sum),
            .units = static_cast<double>(examples.size()),
            .correct = (says_yes == (target == yes_)).sum().item<double>()};
  }

 private:
  const Sequences inputs_;
  const std::vector<bool> consistent_;
  const int32_t yes_;
};

class QualityTask final : public Task {
 public:
  QualityTask(Sequences better, Sequences worse, int32_t token)
      : better_(std::move(better)), worse_(std::move(worse)), token_(token) {
    for (size_t i = 0; i < better_.size(); ++i) {
      lengths_.push_back(static_cast<int32_t>(std::max(better_[i].size(), worse_[i].size())));
    }
  }

  bool judges() const override { return true; }

  BatchLoss Loss(const T5& t5, const NamedTensors& weights, std::span<const size_t> examples) const override {
    Sequences inputs = Pick(better_, examples);
    const Sequences worse = Pick(worse_, examples);
    inputs.insert(inputs.end(), worse.begin(), worse.end());
    const torch::Tensor scores = FirstLogits(t5, weights, inputs).select(1, token_);
    const auto count = static_cast<int64_t>(examples.size());
    const torch::Tensor margin = scores.slice(0, 0, count) - scores.slice(0, count);
    return {.sum = torch::softplus(-margin).sum(),
            .units = static_cast<double>(count),
            .correct = (margin > 0).sum().item<double>()};
  }

 private:
  const Sequences better_, worse_;
  const int32_t token_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Task>> NewSummaryTask(std::span<const Example> examples, const Tokenizer& tokenizer,
                                                     const T5Config& config, const SummaryTaskOptions& options) {
  Sequences inputs, targets;
  for (const Example& example : examples) {
    ASSIGN_OR_RETURN(inputs.emplace_back(), tokenizer.Encode(absl::StrCat(options.task_prefix, example.document),
                                                             config.eos_id, options.max_input_tokens, nullptr));
    ASSIGN_OR_RETURN(targets.emplace_back(),
                     tokenizer.Encode(example.summary, config.eos_id, options.max_target_tokens, nullptr));
  }
  return std::make_unique<SummaryTask>(std::move(inputs), std::move(targets), config.pad_id);
}

absl::StatusOr<std::unique_ptr<Task>> NewConsistencyTask(std::span<const Judgement> judgements,
                                                         const Tokenizer& tokenizer, const T5Config& config,
                                                         const RewardModelConfig& reward) {
  Sequences inputs;
  std::vector<bool> consistent;
  for (const Judgement& judgement : judgements) {
    ASSIGN_OR_RETURN(inputs.emplace_back(),
                     RewardModelInput(reward, tokenizer, config.eos_id, judgement.document, judgement.summary));
    consistent.push_back(judgement.consistent);
  }
  return std::make_unique<ConsistencyTask>(std::move(inputs), std::move(consistent), reward.token_id);
}

absl::StatusOr<std::unique_ptr<Task>> NewQualityTask(std::span<const Preference> preferences,
                                                     const Tokenizer& tokenizer, const T5Config& config,
                                                     const RewardModelConfig& reward) {
  Sequences better, worse;
  for (const Preference& preference : preferences) {
    ASSIGN_OR_RETURN(better.emplace_back(),
                     RewardModelInput(reward, tokenizer, config.eos_id, preference.document, preference.better));
    ASSIGN_OR_RETURN(worse.emplace_back(),
                     RewardModelInput(reward, tokenizer, config.eos_id, preference.document, preference.worse));
  }
  return std::make_unique<QualityTask>(std::move(better), std::move(worse), reward.token_id);
}

}  // namespace trimtab
