#include "server/rim/load_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/thread_pool.h"
#include "model/checkpoint.h"
#include "model/mixed_weights.h"
#include "model/rewards/reward_model.h"
#include "model/status_macros.h"
#include "server/rim/prewarm.h"
#include "spdlog/spdlog.h"

namespace trimtab {
namespace {

constexpr int kRewardThreads = 1;  // The engine is to keep the others.

absl::Status CheckCacheHoldsOne(const ServerOptions& options, const Parameters& parameters) {
  const int64_t mixed_bytes = MixedWeights::Bytes(parameters);
  if (options.cache_bytes >= mixed_bytes) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("cache-bytes is ", options.cache_bytes,
                                                    ", but one mixture of this checkpoint takes ", mixed_bytes,
                                                    ": give at least that, better several times as much"));
}

absl::Status Recover(const ServerOptions& options, const Disk* disk, LoadedModel* model) {
  ASSIGN_OR_RETURN(
      model->log, VersionLog::Open({.directory = options.state_dir, .keep = options.keep_versions}, model->base, disk));
  for (const std::string& line : model->log->report()) {
    model->log->damaged() > 0 ? spdlog::error("{}", line) : spdlog::info("{}", line);
  }
  model->served = model->log->recovered();
  return absl::OkStatus();
}

}  // namespace

SteeringBounds BoundsOf(const ServerOptions& options) {
  return {.alpha_floor = options.alpha_floor, .rewards = options.reward_ranges};
}

CoefficientGrid GridOf(const ServerOptions& options) {
  return {.w_bits = options.grid_bits_w, .beta_bits = options.grid_bits_beta};
}

absl::StatusOr<LoadedModel> LoadModel(const ServerOptions& options, const Disk* disk) {
  ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(options.model));
  RETURN_IF_ERROR(CheckBounds(BoundsOf(options), checkpoint.clp));
  LoadedModel model;
  ASSIGN_OR_RETURN(model.prewarm, ResolvePrewarm(options, checkpoint.clp));
  ASSIGN_OR_RETURN(model.tokenizer, Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size));
  ASSIGN_OR_RETURN(model.backend, NewBackend(options.device, ThreadsOrCores(options.threads)));
  ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(options.precision));
  model.base = model.served = std::make_shared<const Checkpoint>(std::move(checkpoint));
  if (!options.state_dir.empty()) RETURN_IF_ERROR(Recover(options, disk, &model));
  ASSIGN_OR_RETURN(model.parameters, Parameters::Create(*model.served, model.backend.get(), precision));
  RETURN_IF_ERROR(CheckCacheHoldsOne(options, *model.parameters));
  ASSIGN_OR_RETURN(model.reward_models, LoadRewardModels(options.model, kRewardThreads));
  return model;
}

}  // namespace trimtab
