#include "model/rewards/reward_model.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "model/mapped_file.h"
#include "model/parameters.h"
#include "model/scoring.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kMaxConfigBytes = size_t{64} << 10;

double LogProbability(std::span<const float> logits, int32_t token) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return logits[token] - largest - std::log(sum);
}

absl::Status InModel(const std::string& directory, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(directory, ": ", status.message()));
}

absl::StatusOr<std::shared_ptr<const MixedWeights>> Pack(const Checkpoint& checkpoint, Backend* backend) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const Parameters> parameters, Parameters::Create(checkpoint, backend));
  ASSIGN_OR_RETURN(const Weighting weighting, Weighting::Create(parameters->clp().mixing, 0, 1.0, {}));
  return MixedWeights::Mix(parameters, Coefficients::From(parameters->clp().mixing, weighting, {}), backend);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RewardModel>> RewardModel::Load(const std::string& name, const std::string& directory,
                                                               int threads) {
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(directory));
  if (!checkpoint.clp.rewards.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(directory, " is steerable; expected a plain T5 folder"));
  }
  ASSIGN_OR_RETURN(const std::string text,
                   ReadSmallFile(absl::StrCat(directory, "/", kRewardModelFile), kMaxConfigBytes));
  absl::StatusOr<RewardModelConfig> config = ParseRewardModelConfig(text, checkpoint.config.vocab_size);
  if (!config.ok()) return InModel(directory, config.status());
  std::unique_ptr<RewardModel> model(new RewardModel(name, *std::move(config)));
  ASSIGN_OR_RETURN(model->tokenizer_, Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size));
  ASSIGN_OR_RETURN(model->backend_, NewBackend("cpu", threads));
  ASSIGN_OR_RETURN(model->weights_, Pack(checkpoint, model->backend_.get()));
  return model;
}

absl::StatusOr<std::vector<std::vector<double>>> RewardModel::ScoreAll(std::span<const ScoredText> texts) const {
  std::vector<std::vector<double>> scores;
  for (const ScoredText& text : texts) {
    absl::MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(const double score, Score(text));
    scores.push_back({score});
  }
  return scores;
}

absl::StatusOr<double> RewardModel::Score(const ScoredText& text) const {
  const T5Config& config = weights_->parameters().config();
  ASSIGN_OR_RETURN(const std::vector<int32_t> input,
                   RewardModelInput(config_, *tokenizer_, config.eos_id, text.article, text.summary));
  ASSIGN_OR_RETURN(const std::vector<float> logits,
                   TeacherForcedLogits(*weights_, input, {&config.decoder_start_id, 1}, backend_.get()));
  const double score =
      config_.output == RewardOutput::kLogit ? logits[config_.token_id] : LogProbability(logits, config_.token_id);
  if (std::isfinite(score)) return score;
  return absl::InternalError(absl::StrCat("reward model ", names_[0], " gave ", score, "; its weights are unfit"));
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> RewardModelFolders(
    const std::string& checkpoint_directory) {
  namespace fs = std::filesystem;
  std::vector<std::pair<std::string, std::string>> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(checkpoint_directory) / kRewardModelsFolder, error)) {
    folders.emplace_back(entry.path().filename().string(), entry.path().string());
    if (!IsRewardName(folders.back().first)) {
      return absl::InvalidArgumentError(
          absl::StrCat(folders.back().second, " is not named by 1 to 32 of a-z, 0-9 and _: rename or remove it"));
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

absl::StatusOr<std::vector<std::unique_ptr<RewardScorer>>> LoadRewardModels(const std::string& checkpoint_directory,
                                                                            int threads) {
  ASSIGN_OR_RETURN(const auto folders, RewardModelFolders(checkpoint_directory));
  std::vector<std::unique_ptr<RewardScorer>> models;
  for (const auto& [name, folder] : folders) {
    ASSIGN_OR_RETURN(std::unique_ptr<RewardModel> model, RewardModel::Load(name, folder, threads));
    models.push_back(std::move(model));
  }
  return models;
}

}  // namespace trimtab
