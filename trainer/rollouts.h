// Summaries from the engine that serves, so that what is trained is what is served. No libtorch here.
#ifndef TRIMTAB_TRAINER_ROLLOUTS_H_
#define TRIMTAB_TRAINER_ROLLOUTS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/generation.h"
#include "model/mixed_weights.h"

namespace trimtab {

// A plain T5 packed for the engine. `backend` must outlive the result. InvalidArgument where a value is not finite.
absl::StatusOr<std::shared_ptr<const MixedWeights>> PackPlain(const Checkpoint& plain, Backend* backend);

struct RolloutOptions {
  int threads = 2;
  int32_t batch = 32;
  int32_t max_input_tokens = 512;
  int32_t max_new_tokens = 64;
};

// Writes and scores batches with the engine. Not thread-safe.
class Rollouts {
 public:
  static absl::StatusOr<Rollouts> Create(const T5Config& config, const RolloutOptions& options);

  Backend* backend() { return backend_.get(); }

  // One summary per input at temperature 1, by seeds of their own, with the log-probabilities of their tokens.
  absl::StatusOr<std::vector<Generation>> Sample(const std::shared_ptr<const MixedWeights>& weights,
                                                 std::span<const std::vector<int32_t>> inputs,
                                                 std::span<const uint64_t> seeds);
  // The same of one model, or of several whose logits are mixed (engine.h), each of which takes a row of the batch.
  absl::StatusOr<std::vector<Generation>> Sample(const std::vector<LogitExpert>& models,
                                                 std::span<const std::vector<int32_t>> inputs,
                                                 std::span<const uint64_t> seeds);
  // One summary per input, as `options` say.
  absl::StatusOr<std::vector<Generation>> Write(const std::vector<LogitExpert>& models,
                                                std::span<const std::vector<int32_t>> inputs,
                                                const GenerationOptions& options);

 private:
  Rollouts(const RolloutOptions& options, std::unique_ptr<Backend> backend, std::unique_ptr<Engine> engine)
      : options_(options), backend_(std::move(backend)), engine_(std::move(engine)) {}

  absl::StatusOr<std::vector<Generation>> Run(std::vector<EngineRequest> requests);

  RolloutOptions options_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Engine> engine_;
};

// log pi(y | x) of each generation under `weights`, summed over its tokens.
absl::StatusOr<std::vector<double>> SequenceLogProbs(const MixedWeights& weights,
                                                     std::span<const std::vector<int32_t>> inputs,
                                                     std::span<const Generation> generations, Backend* backend);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_ROLLOUTS_H_
