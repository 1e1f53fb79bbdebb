#include "server/rim/load_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernels/host_memory.h"
#include "kernels/thread_pool.h"
#include "model/checkpoint.h"
#include "model/engine_memory.h"
#include "model/mixed_weights.h"
#include "model/rewards/reward_model.h"
#include "model/status_macros.h"
#include "server/mixed_weight_cache.h"
#include "server/rim/memory_allowance.h"
#include "server/rim/prewarm.h"
#include "server/staging.h"
#include "spdlog/spdlog.h"

namespace trimtab {
namespace {

constexpr int kRewardThreads = 1;  // The engine is to keep the others.
// By which the blocks of an engine may be larger than what it needs.
constexpr int64_t kRoundedUp = int64_t{8} << 20;

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

absl::Status Pack(const ServerOptions& options, LoadedModel* model) {
  ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(options.precision));
  ASSIGN_OR_RETURN(model->parameters, Parameters::Create(*model->served, model->backend.get(), precision));
  ASSIGN_OR_RETURN(model->reward_models, LoadRewardModels(options.model, kRewardThreads));
  return absl::OkStatus();
}

// The backend finds so many bytes more than it has.
void AllowBuffers(int64_t bytes) {
  const HostMemoryUse use = GetHostMemoryUse();
  SetHostMemoryLimit(use.in_use + use.small + std::max<int64_t>(0, bytes));
}

absl::Status TooLittle(const MemoryAllowance& allowed, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(
      allowed.name, " of ", allowed.limit, " bytes, ", allowed.held, " of them taken, is too little: ", why,
      "; allow more, or ask for less (--precision, --max-input-tokens, --max-new-tokens)"));
}

MemoryNeeds NeedsOf(const ServerOptions& options, const LoadedModel& model) {
  const Parameters& parameters = *model.parameters;
  MemoryNeeds needs;
  needs.rows = options.max_batch_rows;
  needs.readers = kMostReaders;
  needs.staged = options.staging_bytes > 0 ? options.staging_bytes : DefaultStagingBytes(*model.base);
  if (!model.backend->on_host()) return needs;
  const EngineMemory engine = MemoryOf(parameters.config(), EngineOptionsOf(options));
  const int64_t scratch = HostBlockBytes(parameters.scratch_bytes() / 4);
  const int64_t mixed_bytes = MixedWeightCache::EntryBytes(parameters);
  needs.fixed = engine.fixed * (model.reward_models.empty() ? 1 : 2) + scratch + kRoundedUp;
  needs.row = engine.row;
  needs.article = HostBlockBytes(engine.input_token * options.max_input_tokens / 4);
  needs.mixture = HostBlockBytes(mixed_bytes / 4);
  needs.mixtures = std::max<int64_t>(1, options.cache_bytes / mixed_bytes);
  needs.packed = HostBlockBytes(parameters.bytes() / 4) + engine.fixed + scratch;  // The canary runs an engine too.
  return needs;
}

void WarnOfLess(const MemoryNeeds& needs, const MemoryPlan& plan, const MemoryAllowance& allowed) {
  if (plan.rows == needs.rows && plan.mixtures == needs.mixtures && plan.versions) return;
  spdlog::warn("{} of {} bytes leaves room for {} of {} rows, {} of {} mixtures, {} calls and {}", allowed.name,
               allowed.limit, plan.rows, needs.rows, plan.mixtures, needs.mixtures, plan.requests / kCallBytes,
               plan.versions ? "new parameters" : "no new parameters, which will be refused");
}

absl::Status PlanMemoryOf(const ServerOptions& options, const MemoryMeter& meter, LoadedModel* model) {
  const MemoryNeeds needs = NeedsOf(options, *model);
  const MemoryAllowance allowed = meter.Read();
  const absl::StatusOr<MemoryPlan> plan = PlanMemory(allowed.room(), needs);
  if (!plan.ok()) return TooLittle(allowed, plan.status().message());
  WarnOfLess(needs, *plan, allowed);
  if (model->backend->on_host()) AllowBuffers(plan->buffers);
  model->memory = *plan;
  return absl::OkStatus();
}

}  // namespace

EngineOptions EngineOptionsOf(const ServerOptions& options) {
  EngineOptions engine;
  engine.max_rows = options.max_batch_rows;
  engine.max_draft_tokens = options.draft_tokens;
  engine.max_input_tokens = options.max_input_tokens;
  engine.max_new_tokens = options.max_new_tokens;
  engine.max_encode_tokens = std::max(engine.max_encode_tokens, options.max_input_tokens);
  return engine;
}

SteeringBounds BoundsOf(const ServerOptions& options) {
  return {.alpha_floor = options.alpha_floor, .rewards = options.reward_ranges};
}

CoefficientGrid GridOf(const ServerOptions& options) {
  return {.w_bits = options.grid_bits_w, .beta_bits = options.grid_bits_beta};
}

absl::StatusOr<LoadedModel> LoadModel(const ServerOptions& options, const Disk* disk) {
  const MemoryMeter meter(options.memory_limit);
  const MemoryAllowance allowed = meter.Read();
  AllowBuffers(allowed.room());
  ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(options.model));
  RETURN_IF_ERROR(CheckBounds(BoundsOf(options), checkpoint.clp));
  LoadedModel model;
  ASSIGN_OR_RETURN(model.prewarm, ResolvePrewarm(options, checkpoint.clp));
  ASSIGN_OR_RETURN(model.tokenizer, Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size));
  ASSIGN_OR_RETURN(model.backend, NewBackend(options.device, ThreadsOrCores(options.threads)));
  model.base = model.served = std::make_shared<const Checkpoint>(std::move(checkpoint));
  if (!options.state_dir.empty()) RETURN_IF_ERROR(Recover(options, disk, &model));
  const absl::Status packed = Pack(options, &model);
  if (absl::IsResourceExhausted(packed) && model.backend->on_host()) return TooLittle(allowed, packed.message());
  RETURN_IF_ERROR(packed);
  RETURN_IF_ERROR(CheckCacheHoldsOne(options, *model.parameters));
  RETURN_IF_ERROR(PlanMemoryOf(options, meter, &model));
  return model;
}

}  // namespace trimtab
