#include "trainer/learner.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"
#include "trainer/adafactor.h"
#include "trainer/gradient_workers.h"
#include "trainer/policy.h"
#include "trainer/t5.h"
#include "trainer/tensors.h"
#include "trainer/value_network.h"

namespace trimtab {
namespace {

// Indices by rising length of the article, cut into groups of at most `size`.
std::vector<std::vector<size_t>> GroupByLength(std::span<const std::vector<int32_t>> articles, int size) {
  std::vector<size_t> order(articles.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return articles[a].size() < articles[b].size(); });
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i % size == 0) groups.emplace_back();
    groups.back().push_back(order[i]);
  }
  return groups;
}

template <typename T>
std::vector<T> Pick(const std::vector<T>& all, const std::vector<size_t>& indices) {
  std::vector<T> picked;
  for (size_t i : indices) picked.push_back(all[i]);
  return picked;
}

torch::Tensor ToTensor(const std::vector<double>& values) { return torch::tensor(values).to(torch::kFloat32); }

// In tokens, padding included: what passes over each group cost.
std::vector<size_t> CostsOf(const std::vector<std::vector<size_t>>& groups,
                            std::span<const std::vector<int32_t>> articles) {
  std::vector<size_t> costs;
  for (const std::vector<size_t>& group : groups) costs.push_back(group.size() * articles[group.back()].size());
  return costs;
}

double Norm(const NamedTensors& mixed) {
  double square = 0.0;
  for (const auto& [name, value] : mixed) {
    if (value.grad().defined()) square += std::pow(value.grad().norm().item<double>(), 2);
  }
  return std::sqrt(square);
}

class TorchLearner final : public Learner {
 public:
  TorchLearner(Policy policy, NamedTensors reference, const LearnerOptions& options)
      : options_(options),
        policy_(std::move(policy)),
        reference_(std::move(reference)),
        t5_(policy_.config()),
        optimizer_(policy_.parameters()),
        workers_(options.threads) {
    if (options_.baseline != Baseline::kValueNetwork) return;
    values_.emplace(policy_.config(), reference_, static_cast<int>(policy_.clp().rewards.size()));
    value_optimizer_.emplace(values_->parameters());
  }

  Checkpoint Mixed(const Coefficients& coefficients) override {
    mixed_ = policy_.Condition(coefficients.values());
    return PlainCheckpoint(policy_.config(), mixed_);
  }

  Checkpoint Reference() const override { return PlainCheckpoint(policy_.config(), reference_); }

  LearnerStats Update(const Coefficients& coefficients, const LearnerBatch& batch) override {
    LearnerStats stats;
    const std::vector<double> objectives = Objectives(*batch.weighting, batch.outcomes);
    std::vector<double> advantages = values_.has_value()
                                         ? ValueAdvantages(*batch.weighting, objectives, LearnValues(batch, &stats))
                                         : LeaveOneOutAdvantages(objectives, options_.samples_per_article);
    Describe(objectives, advantages, &stats);
    NormalizeAdvantages(&advantages);
    LearnPolicy(batch, advantages, &stats);
    stats.gradient_norm = Norm(mixed_);
    optimizer_.Step(policy_.SpreadGradients(mixed_, coefficients.values()), options_.learning_rate, &workers_.pool());
    mixed_.clear();
    return stats;
  }

  Checkpoint Snapshot(uint64_t sequence) const override { return policy_.Snapshot(sequence); }

  std::map<std::string, Tensor, std::less<>> State() const override {
    std::map<std::string, Tensor, std::less<>> state;
    for (const auto& [name, tensor] : Held()) state[name] = ViewOf(tensor);
    return state;
  }

  absl::Status Restore(const Safetensors& state) override {
    const NamedTensors held = Held();
    if (held.size() != state.tensors().size()) {
      return absl::InvalidArgumentError("the trainer's state is that of other parameters or of another baseline");
    }
    for (const auto& [name, tensor] : held) {
      const Tensor* found = state.Find(name);
      if (found == nullptr || found->shape != tensor.sizes().vec()) {
        return absl::InvalidArgumentError(absl::StrCat("the trainer's state lacks ", name, " of this shape"));
      }
      ASSIGN_OR_RETURN(const torch::Tensor value, ToTorch(*found, name));
      torch::Tensor target = tensor;  // Shares memory with what it is held in.
      target.copy_(value);
    }
    return absl::OkStatus();
  }

 private:
  // Value network and optimisers: all that a checkpoint of the policy does not hold.
  NamedTensors Held() const {
    NamedTensors held = optimizer_.State();
    if (!values_.has_value()) return held;
    held.merge(value_optimizer_->State());
    for (const NamedParameter& parameter : values_->parameters()) held[parameter.name] = parameter.value;
    return held;
  }

  static void Describe(const std::vector<double>& objectives, const std::vector<double>& advantages,
                       LearnerStats* stats) {
    const double count = static_cast<double>(objectives.size());
    double square = 0.0;
    for (size_t i = 0; i < objectives.size(); ++i) {
      stats->objective += objectives[i] / count;
      stats->advantage += advantages[i] / count;
      square += advantages[i] * advantages[i] / count;
    }
    stats->advantage_spread = std::sqrt(std::max(0.0, square - stats->advantage * stats->advantage));
  }

  // Moves the value network towards R_i; returns what it said before.
  std::vector<std::vector<double>> LearnValues(const LearnerBatch& batch, LearnerStats* stats) {
    std::vector<std::vector<double>> said(batch.articles.size());
    const std::vector<std::vector<size_t>> groups = GroupByLength(batch.articles, options_.micro_batch);
    std::vector<double> losses(groups.size());
    workers_.Gather(values_->weights(), CostsOf(groups, batch.articles), [&](size_t job, const NamedTensors& leaves) {
      losses[job] = BackFromValues(batch, groups[job], leaves, &said);
    });
    stats->value_loss = std::accumulate(losses.begin(), losses.end(), 0.0);
    value_optimizer_->Step(values_->TakeGradients(), options_.value_learning_rate, &workers_.pool());
    return said;
  }

  // The loss of one group; fills its rows of `said`.
  double BackFromValues(const LearnerBatch& batch, const std::vector<size_t>& group, const NamedTensors& leaves,
                        std::vector<std::vector<double>>* said) const {
    const torch::Tensor values = values_->Values(leaves, Pick(batch.articles, group));
    std::vector<double> rewards;
    for (size_t row = 0; row < group.size(); ++row) {
      const std::vector<double>& of_summary = batch.outcomes[group[row]].rewards;
      rewards.insert(rewards.end(), of_summary.begin(), of_summary.end());
      const torch::Tensor told = values[row].detach().to(torch::kFloat64).contiguous();
      (*said)[group[row]].assign(told.data_ptr<double>(), told.data_ptr<double>() + told.numel());
    }
    const torch::Tensor error = values - ToTensor(rewards).view_as(values);
    const torch::Tensor loss = error.pow(2).sum() / (static_cast<double>(batch.articles.size()) * error.size(1));
    loss.backward();
    return loss.item<double>();
  }

  // Gathers the gradient of -mean(A log pi) in mixed_.
  void LearnPolicy(const LearnerBatch& batch, const std::vector<double>& advantages, LearnerStats* stats) {
    const std::vector<std::vector<size_t>> groups = GroupByLength(batch.inputs, options_.micro_batch);
    std::vector<double> gaps(groups.size());
    workers_.Gather(mixed_, CostsOf(groups, batch.inputs), [&](size_t job, const NamedTensors& leaves) {
      gaps[job] = BackFromPolicy(batch, groups[job], advantages, leaves);
    });
    stats->log_prob_gap = *std::max_element(gaps.begin(), gaps.end());
  }

  // The log-probability gap of one group.
  double BackFromPolicy(const LearnerBatch& batch, const std::vector<size_t>& group,
                        const std::vector<double>& advantages, const NamedTensors& leaves) const {
    const TokenBatch inputs = PadTokens(Pick(batch.inputs, group), t5_.config().pad_id);
    const torch::Tensor log_probs = t5_.LogProbs(leaves, inputs, Pick(batch.targets, group));
    // At alpha = 1 a policy without shared tensors is the reference and has nothing to learn.
    if (log_probs.requires_grad()) {
      const torch::Tensor weighted = log_probs.sum(1) * ToTensor(Pick(advantages, group));
      (-weighted.sum() / static_cast<double>(advantages.size())).backward();
    }
    double gap = 0.0;
    const torch::Tensor told = log_probs.detach();
    const auto ours = told.accessor<float, 2>();
    for (size_t row = 0; row < group.size(); ++row) {
      const std::vector<float>& engine = batch.engine_log_probs[group[row]];
      for (size_t t = 0; t < engine.size(); ++t) gap = std::max(gap, std::abs(double{engine[t]} - ours[row][t]));
    }
    return gap;
  }

  const LearnerOptions options_;
  Policy policy_;
  const NamedTensors reference_;
  const T5 t5_;
  Adafactor optimizer_;
  std::optional<ValueNetwork> values_;
  std::optional<Adafactor> value_optimizer_;
  GradientWorkers workers_;
  NamedTensors mixed_;  // Of the batch at hand.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Learner>> Learner::Create(const Checkpoint& from, const Checkpoint& origin,
                                                         const LearnerOptions& options) {
  ASSIGN_OR_RETURN(NamedTensors reference, ReferenceWeights(origin));
  ASSIGN_OR_RETURN(Policy policy, Policy::Create(from));
  return std::make_unique<TorchLearner>(std::move(policy), std::move(reference), options);
}

}  // namespace trimtab
