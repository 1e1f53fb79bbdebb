#ifndef TRIMTAB_SERVER_RIM_LOAD_MODEL_H_
#define TRIMTAB_SERVER_RIM_LOAD_MODEL_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/parameters.h"
#include "model/rewards/reward_scorer.h"
#include "model/tokenizer.h"
#include "server/disk.h"
#include "server/memory_plan.h"
#include "server/rim/options.h"
#include "server/version_log.h"

namespace trimtab {

// The model in memory, ready to serve. Destroyed in reverse: the backend goes last.
struct LoadedModel {
  std::unique_ptr<Backend> backend;
  std::shared_ptr<const Checkpoint> base;    // As the folder of the checkpoint has it.
  std::unique_ptr<VersionLog> log;           // Null without a state-dir.
  std::shared_ptr<const Checkpoint> served;  // The base, or what the log recovered.
  std::shared_ptr<const Parameters> parameters;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<Coefficients> prewarm;  // What to mix before being ready.
  std::vector<std::unique_ptr<RewardScorer>> reward_models;
  MemoryPlan memory;  // What the parts that serve it may take.
};

// Opens the checkpoint and the log of versions, says in the process's log what the latter recovered, packs what is to
// be served for the device, loads the reward models beside it, and checks all that depends on both it and the options:
// steering bounds against its rewards, what to prewarm, that the cache holds at least one mixture, and that the memory
// which the process may take is enough (FailedPrecondition). From then on a backend on the host finds no more memory
// than is planned (SetHostMemoryLimit). One-line errors. `disk` must outlive the result.
absl::StatusOr<LoadedModel> LoadModel(const ServerOptions& options, const Disk* disk);

// Requests that are read at a time where memory allows: slow senders are many sooner than it is short.
inline constexpr int kMostReaders = 1024;

// The engine's part of `options`, but for what memory allows.
EngineOptions EngineOptionsOf(const ServerOptions& options);

// The steering part of `options`.
SteeringBounds BoundsOf(const ServerOptions& options);
CoefficientGrid GridOf(const ServerOptions& options);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_LOAD_MODEL_H_
