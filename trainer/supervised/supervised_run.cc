#include "trainer/supervised/supervised_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/safetensors.h"
#include "model/status_macros.h"
#include "trainer/adafactor.h"
#include "trainer/gradient_workers.h"
#include "trainer/step_random.h"
#include "trainer/supervised/batches.h"

namespace trimtab {
namespace {

constexpr size_t kEvaluationBatch = 64;
constexpr char kWeights[] = "weights/";
constexpr char kOptimiser[] = "optimiser/";

std::string SettingsOf(const SupervisedOptions& options) {
  return absl::StrCat("steps ", options.steps, ", batch ", options.batch_size, ", learning rate ",
                      options.learning_rate, ", warm-up ", options.warmup_steps, ", dropout ", options.dropout,
                      ", seed ", options.seed, options.settings.empty() ? "" : ", ", options.settings);
}

// What a batch, or a part of it, came to.
struct Tally {
  double loss = 0.0, units = 0.0, correct = 0.0;  // Sums.

  Tally& operator+=(const BatchLoss& part) {
    loss += part.sum.item<double>();
    units += part.units;
    correct += part.correct;
    return *this;
  }
  Tally& operator+=(const Tally& part) {
    loss += part.loss;
    units += part.units;
    correct += part.correct;
    return *this;
  }
};

Tally Sum(const std::vector<Tally>& parts) {
  Tally sum;
  for (const Tally& part : parts) sum += part;
  return sum;
}

// Neighbours together, at most `size` in each.
std::vector<std::vector<size_t>> Cut(const std::vector<size_t>& all, size_t size) {
  std::vector<std::vector<size_t>> parts;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i % size == 0) parts.emplace_back();
    parts.back().push_back(all[i]);
  }
  return parts;
}

// The batch of each step, made an epoch at a time.
class Batches {
 public:
  Batches(const Task& task, const SupervisedOptions& options) : task_(task), options_(options) { Fill(0); }

  const std::vector<size_t>& At(int64_t step) {
    const auto per_epoch = static_cast<int64_t>(batches_.size());
    if (step / per_epoch != epoch_) Fill(step / per_epoch);
    return batches_[static_cast<size_t>(step % per_epoch)];
  }

 private:
  void Fill(int64_t epoch) {
    epoch_ = epoch;
    batches_ = EpochBatches(task_.lengths(), static_cast<size_t>(options_.batch_size), options_.seed,
                            static_cast<uint64_t>(epoch));
  }

  const Task& task_;
  const SupervisedOptions& options_;
  int64_t epoch_ = 0;
  std::vector<std::vector<size_t>> batches_;
};

// One run in progress.
class Run {
 public:
  Run(const T5Config& config, const SupervisedOptions& options, const Task& train, NamedTensors& weights)
      : options_(options),
        train_(train),
        weights_(weights),
        t5_(config, options.dropout),
        batches_(train, options),
        adafactor_(ParametersOf(weights)),
        workers_(options.dropout > 0.0 ? 1 : options.threads) {
    for (auto& [name, weight] : weights_) weight.requires_grad_(true);
  }

  int64_t step() const { return step_; }
  ThreadPool& pool() { return workers_.pool(); }

  // The loss of one step.
  absl::StatusOr<double> Step() {
    if (options_.dropout > 0.0) torch::manual_seed(StepSeed(options_.seed, Chance::kShuffle, step_, 1));
    const Tally batch = Learn(batches_.At(step_));
    const double value = batch.loss / batch.units;
    if (!std::isfinite(value)) {
      return absl::InternalError(absl::StrCat("the loss of step ", step_, " is ", value,
                                              ": the learning rate is too high, or the weights are unfit"));
    }
    std::vector<torch::Tensor> gradients;
    for (auto& [name, weight] : weights_) {
      gradients.push_back(std::exchange(weight.mutable_grad(), torch::Tensor()));
      if (gradients.back().defined()) gradients.back().div_(batch.units);
    }
    adafactor_.Step(gradients, LearningRateAt(options_, step_), &workers_.pool());
    ++step_;
    return value;
  }

  absl::Status Save(const std::string& path) const {
    std::map<std::string, Tensor, std::less<>> tensors;
    const NamedTensors moments = adafactor_.State();
    std::vector<torch::Tensor> kept;  // As views do not own.
    const auto add = [&](const char* prefix, const NamedTensors& part) {
      for (const auto& [name, tensor] : part) {
        kept.push_back(tensor.detach().contiguous());
        tensors[absl::StrCat(prefix, name)] = ViewOf(kept.back());
      }
    };
    add(kWeights, weights_);
    add(kOptimiser, moments);
    return WriteSafetensors(path, tensors, {{"step", absl::StrCat(step_)}, {"settings", SettingsOf(options_)}});
  }

  absl::Status Load(const std::string& path) {
    ASSIGN_OR_RETURN(const Safetensors file, Safetensors::Open(path));
    const auto& metadata = file.metadata();
    const auto settings = metadata.find("settings"), step = metadata.find("step");
    if (settings == metadata.end() || step == metadata.end() || !absl::SimpleAtoi(step->second, &step_)) {
      return absl::InvalidArgumentError(absl::StrCat(path, " is no state of supervised training"));
    }
    if (settings->second != SettingsOf(options_)) {
      return absl::FailedPreconditionError(absl::StrCat(path, " was begun with [", settings->second, "], now it is [",
                                                        SettingsOf(options_), "]: ask for the same, or remove it"));
    }
    NamedTensors moments;
    for (const auto& [name, tensor] : file.tensors()) {
      absl::string_view rest = name;
      ASSIGN_OR_RETURN(torch::Tensor value, ToTorch(tensor, name));
      if (absl::ConsumePrefix(&rest, kOptimiser)) {
        moments[std::string(rest)] = std::move(value);
      } else if (absl::ConsumePrefix(&rest, kWeights)) {
        RETURN_IF_ERROR(Take(std::string(rest), value, path));
      }
    }
    return adafactor_.Restore(moments);
  }

 private:
  // Gathers the gradient of the summed loss.
  Tally Learn(const std::vector<size_t>& batch) {
    const auto threads = static_cast<size_t>(workers_.pool().threads());
    const std::vector<std::vector<size_t>> parts = Cut(batch, (batch.size() + threads - 1) / threads);
    std::vector<Tally> tallies(parts.size());
    std::vector<size_t> costs;
    for (const auto& part : parts) costs.push_back(part.size());
    workers_.Gather(weights_, costs, [&](size_t job, const NamedTensors& leaves) {
      const BatchLoss loss = train_.Loss(t5_, leaves, parts[job]);
      tallies[job] += loss;
      loss.sum.backward();
    });
    return Sum(tallies);
  }

  static std::vector<NamedParameter> ParametersOf(const NamedTensors& weights) {
    std::vector<NamedParameter> parameters;
    for (const auto& [name, weight] : weights) parameters.push_back({name, weight});
    return parameters;
  }

  absl::Status Take(const std::string& name, const torch::Tensor& value, const std::string& path) {
    const torch::NoGradGuard no_gradients;
    const auto weight = weights_.find(name);
    if (weight == weights_.end() || weight->second.sizes() != value.sizes()) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is of another model: ", name));
    }
    weight->second.copy_(value);
    return absl::OkStatus();
  }

  const SupervisedOptions& options_;
  const Task& train_;
  NamedTensors& weights_;
  const T5 t5_;
  Batches batches_;
  Adafactor adafactor_;
  GradientWorkers workers_;
  int64_t step_ = 0;
};

// Of all examples of `task`, without gradients or dropout. Fills held_out and accuracy.
void Evaluate(const T5Config& config, const Task& task, const NamedTensors& weights, ThreadPool& pool,
              Progress* progress) {
  const T5 t5(config);
  std::vector<size_t> all(task.lengths().size());
  std::iota(all.begin(), all.end(), size_t{0});
  const std::vector<std::vector<size_t>> parts = Cut(all, kEvaluationBatch);
  std::vector<Tally> tallies(parts.size());
  pool.ParallelFor(static_cast<int64_t>(parts.size()), [&](int64_t i, int) {
    const torch::NoGradGuard no_gradients;
    tallies[i] += task.Loss(t5, weights, parts[i]);
  });
  const Tally total = Sum(tallies);
  progress->held_out = total.loss / total.units;
  progress->accuracy = task.judges() ? total.correct / total.units : 0.0;
}

}  // namespace

double LearningRateAt(const SupervisedOptions& options, int64_t step) {
  const double warmup = std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(options.warmup_steps + 1));
  const double done = static_cast<double>(step) / static_cast<double>(options.steps);
  return options.learning_rate * warmup * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
}

absl::StatusOr<Progress> RunSupervised(const T5Config& config, const SupervisedOptions& options, const Task& train,
                                       const Task& held_out, const std::string& state, NamedTensors& weights,
                                       const std::function<void(const Progress&)>& report) {
  Run run(config, options, train, weights);
  std::error_code error;
  if (std::filesystem::exists(state, error)) RETURN_IF_ERROR(run.Load(state));
  Progress progress;
  double losses = 0.0;
  int64_t counted = 0;
  while (run.step() < options.steps) {
    ASSIGN_OR_RETURN(const double loss, run.Step());
    losses += loss;
    ++counted;
    const bool last = run.step() == options.steps;
    if (last || run.step() % options.checkpoint_every == 0) RETURN_IF_ERROR(run.Save(state));
    if (!last && run.step() % options.evaluate_every != 0) continue;
    progress = {.step = run.step(), .loss = losses / static_cast<double>(counted)};
    Evaluate(config, held_out, weights, run.pool(), &progress);
    report(progress);
    losses = 0.0;
    counted = 0;
  }
  progress.step = run.step();
  Evaluate(config, held_out, weights, run.pool(), &progress);
  return progress;
}

}  // namespace trimtab
