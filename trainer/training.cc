#include "trainer/training.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/status_macros.h"
#include "trainer/step_random.h"

namespace trimtab {
namespace {

// Seconds since `*mark`, which moves on.
double Lap(absl::Time* mark) {
  const absl::Time now = absl::Now();
  return absl::ToDoubleSeconds(now - std::exchange(*mark, now));
}

LearnerOptions OptionsOf(const RunConfig& config) {
  LearnerOptions options;
  options.baseline = config.leave_one_out ? Baseline::kLeaveOneOut : Baseline::kValueNetwork;
  options.samples_per_article = config.samples_per_article;
  options.learning_rate = config.learning_rate;
  options.value_learning_rate = config.value_learning_rate;
  options.micro_batch = config.micro_batch;
  options.threads = config.threads;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Training>> Training::Create(const RunConfig& config, RunFolder* folder,
                                                           std::vector<std::unique_ptr<RewardScorer>> scorers) {
  std::unique_ptr<Training> training(new Training(config, folder));
  RETURN_IF_ERROR(training->Open(std::move(scorers)));
  return training;
}

absl::Status Training::Open(std::vector<std::unique_ptr<RewardScorer>> scorers) {
  ASSIGN_OR_RETURN(examples_, ReadCorpus(config_.corpus));
  ASSIGN_OR_RETURN(const Checkpoint origin, OpenCheckpoint(folder_->origin()));
  ASSIGN_OR_RETURN(const Checkpoint from, OpenCheckpoint(folder_->latest()));
  clp_ = plain_clp_ = from.clp;
  plain_clp_.prompt_conditioning.reset();
  eos_id_ = from.config.eos_id;
  ASSIGN_OR_RETURN(tokenizer_, Tokenizer::Create(from.tokenizer_model, from.config.vocab_size));
  ASSIGN_OR_RETURN(RunRewards rewards, RunRewards::Create(clp_, config_.rewards, std::move(scorers)));
  rewards_ = std::make_unique<RunRewards>(std::move(rewards));
  ASSIGN_OR_RETURN(WeightingSampler sampler, WeightingSampler::Create(clp_, config_.sampling));
  sampler_ = std::make_unique<WeightingSampler>(std::move(sampler));
  ASSIGN_OR_RETURN(Rollouts rollouts, Rollouts::Create(from.config, {.threads = config_.threads,
                                                                     .batch = config_.batch,
                                                                     .max_input_tokens = config_.max_input_tokens,
                                                                     .max_new_tokens = config_.max_new_tokens}));
  rollouts_ = std::make_unique<Rollouts>(std::move(rollouts));
  ASSIGN_OR_RETURN(learner_, Learner::Create(from, origin, OptionsOf(config_)));
  ASSIGN_OR_RETURN(const Progress progress, folder_->ReadProgress());
  step_ = progress.step;
  log_bytes_ = progress.log_bytes;
  if (!folder_->state_path().empty()) {
    ASSIGN_OR_RETURN(const Safetensors state, Safetensors::Open(folder_->state_path()));
    RETURN_IF_ERROR(learner_->Restore(state));
  }
  ASSIGN_OR_RETURN(reference_, PackPlain(learner_->Reference(), rollouts_->backend()));
  return absl::OkStatus();
}

std::vector<size_t> Training::NextExamples() {
  std::vector<size_t> examples;
  const uint64_t articles = config_.batch / config_.samples_per_article;
  for (uint64_t i = 0; i < articles; ++i) {
    const uint64_t place = step_ * articles + i, pass = place / examples_.size();
    if (pass != order_pass_) {
      order_.resize(examples_.size());
      std::iota(order_.begin(), order_.end(), 0);
      std::mt19937_64 random = StepRandom(config_.seed, Chance::kShuffle, pass);
      std::shuffle(order_.begin(), order_.end(), random);
      order_pass_ = pass;
    }
    examples.insert(examples.end(), config_.samples_per_article, order_[place % examples_.size()]);
  }
  return examples;
}

absl::StatusOr<std::vector<int32_t>> Training::Encode(const ClpConfig& clp, const Weighting& weighting,
                                                      size_t example) const {
  const std::string prompt = BuildPrompt(clp, weighting, examples_[example].document);
  return tokenizer_->Encode(prompt, eos_id_, config_.max_input_tokens, nullptr);
}

absl::Status Training::ReadArticles(const Weighting& weighting, const std::vector<size_t>& examples,
                                    LearnerBatch* batch, StepReport* report) {
  for (size_t example : examples) {
    ASSIGN_OR_RETURN(std::vector<int32_t> input, Encode(clp_, weighting, example));
    report->read_tokens += static_cast<int64_t>(input.size());
    if (clp_.prompt_conditioning.has_value()) {
      ASSIGN_OR_RETURN(batch->articles.emplace_back(), Encode(plain_clp_, weighting, example));
    } else {
      batch->articles.push_back(input);
    }
    batch->inputs.push_back(std::move(input));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Generation>> Training::Write(const Coefficients& coefficients, const LearnerBatch& batch) {
  ASSIGN_OR_RETURN(const auto mixed, PackPlain(learner_->Mixed(coefficients), rollouts_->backend()));
  std::vector<uint64_t> seeds;
  for (size_t i = 0; i < batch.inputs.size(); ++i) {
    seeds.push_back(StepSeed(config_.seed, Chance::kRollout, step_, i));
  }
  return rollouts_->Sample(mixed, batch.inputs, seeds);
}

absl::Status Training::Reward(const std::vector<size_t>& examples, const std::vector<Generation>& written,
                              LearnerBatch* batch, StepReport* report) {
  std::vector<std::string> summaries;
  std::vector<ScoredText> texts;
  summaries.reserve(written.size());
  texts.reserve(examples.size());
  for (const Generation& generation : written) summaries.push_back(tokenizer_->Decode(generation.tokens));
  for (size_t i = 0; i < examples.size(); ++i) {
    texts.push_back({examples_[examples[i]].document, summaries[i], examples_[examples[i]].summary});
  }
  ASSIGN_OR_RETURN(std::vector<std::vector<double>> rewards, rewards_->Score(texts));
  report->rewards.assign(clp_.rewards.size(), 0.0);
  for (std::vector<double>& of_text : rewards) {
    for (size_t i = 0; i < of_text.size(); ++i) report->rewards[i] += of_text[i] / static_cast<double>(texts.size());
    batch->outcomes.push_back({std::move(of_text), 0.0});
  }
  return absl::OkStatus();
}

absl::Status Training::CompareWithReference(const std::vector<Generation>& written, LearnerBatch* batch,
                                            StepReport* report) {
  ASSIGN_OR_RETURN(const std::vector<double> reference,
                   SequenceLogProbs(*reference_, batch->articles, written, rollouts_->backend()));
  for (size_t i = 0; i < written.size(); ++i) {
    const std::vector<float>& policy = written[i].log_probs;
    batch->outcomes[i].log_ratio = std::accumulate(policy.begin(), policy.end(), 0.0) - reference[i];
    report->kl += batch->outcomes[i].log_ratio / static_cast<double>(written.size());
    report->written_tokens += static_cast<int64_t>(policy.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<StepReport> Training::Step() {
  absl::Time mark = absl::Now();
  std::mt19937_64 random = StepRandom(config_.seed, Chance::kWeighting, step_);
  const Weighting weighting = sampler_->Sample(step_, random);
  const Coefficients coefficients = Coefficients::From(clp_.mixing, weighting, {});
  const std::vector<size_t> examples = NextExamples();
  StepReport report;
  report.step = step_ + 1;
  report.alpha = weighting.alpha();
  report.w = weighting.w();
  LearnerBatch batch;
  batch.weighting = &weighting;
  RETURN_IF_ERROR(ReadArticles(weighting, examples, &batch, &report));
  ASSIGN_OR_RETURN(const std::vector<Generation> written, Write(coefficients, batch));
  for (const Generation& generation : written) {
    batch.targets.push_back(generation.tokens);
    batch.engine_log_probs.push_back(generation.log_probs);
  }
  report.rollout_seconds = Lap(&mark);
  RETURN_IF_ERROR(Reward(examples, written, &batch, &report));
  report.reward_seconds = Lap(&mark);
  RETURN_IF_ERROR(CompareWithReference(written, &batch, &report));
  report.reference_seconds = Lap(&mark);
  report.learner = learner_->Update(coefficients, batch);
  report.update_seconds = Lap(&mark);
  ++step_;
  return report;
}

absl::Status Training::Save(uint64_t log_bytes) {
  log_bytes_ = log_bytes;
  return folder_->Save(Snapshot(), learner_->State(), {step_, log_bytes}, config_.keep_checkpoints);
}

}  // namespace trimtab
