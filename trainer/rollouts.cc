#include "trainer/rollouts.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "model/scoring.h"
#include "model/status_macros.h"

namespace trimtab {

absl::StatusOr<std::shared_ptr<const MixedWeights>> PackPlain(const Checkpoint& plain, Backend* backend) {
  ASSIGN_OR_RETURN(std::shared_ptr<const Parameters> parameters, Parameters::Create(plain, backend));
  ASSIGN_OR_RETURN(const Weighting weighting, Weighting::Create(plain.clp.mixing, 0, 1.0, {}));
  return MixedWeights::Mix(std::move(parameters), Coefficients::From(plain.clp.mixing, weighting, {}), backend);
}

absl::StatusOr<Rollouts> Rollouts::Create(const T5Config& config, const RolloutOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Backend> backend, NewBackend("cpu", options.threads));
  EngineOptions limits;
  limits.max_rows = options.batch;
  limits.max_input_tokens = options.max_input_tokens;
  limits.max_new_tokens = options.max_new_tokens;
  // Nobody waits for a first token: encoding goes in passes as large as memory likes.
  limits.max_encode_tokens = std::max(4096, options.max_input_tokens);
  limits.max_stall = 1e9;
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, NewEngine(config, limits, backend.get()));
  return Rollouts(options, std::move(backend), std::move(engine));
}

absl::StatusOr<std::vector<Generation>> Rollouts::Run(std::vector<EngineRequest> requests) {
  std::vector<Generation> generations(requests.size());
  std::vector<EngineEvent> events;
  size_t admitted = 0, finished = 0;
  while (finished < requests.size()) {
    while (admitted < requests.size()) {
      const auto rows = static_cast<int32_t>(requests[admitted].experts.size());
      if (engine_->free_rows() < rows && !engine_->idle()) break;  // One that never fits is refused by name.
      RETURN_IF_ERROR(engine_->Admit(std::move(requests[admitted++])));
    }
    events.clear();
    engine_->Step(&events);
    for (EngineEvent& event : events) {
      if (event.kind != EngineEvent::Kind::kFinished) continue;
      generations[event.id] = std::move(event.generation);
      ++finished;
    }
  }
  return generations;
}

absl::StatusOr<std::vector<Generation>> Rollouts::Sample(const std::shared_ptr<const MixedWeights>& weights,
                                                         std::span<const std::vector<int32_t>> inputs,
                                                         std::span<const uint64_t> seeds) {
  return Sample(std::vector<LogitExpert>{{weights}}, inputs, seeds);
}

absl::StatusOr<std::vector<Generation>> Rollouts::Sample(const std::vector<LogitExpert>& models,
                                                         std::span<const std::vector<int32_t>> inputs,
                                                         std::span<const uint64_t> seeds) {
  std::vector<EngineRequest> requests;
  for (size_t i = 0; i < inputs.size(); ++i) {
    EngineRequest& request = requests.emplace_back(EngineRequest{i, inputs[i], nullptr, {}, models});
    request.options.max_new_tokens = options_.max_new_tokens;
    request.options.temperature = 1.0f;
    request.options.seed = seeds[i];
    request.options.log_probs = true;
  }
  return Run(std::move(requests));
}

absl::StatusOr<std::vector<Generation>> Rollouts::Write(const std::vector<LogitExpert>& models,
                                                        std::span<const std::vector<int32_t>> inputs,
                                                        const GenerationOptions& options) {
  std::vector<EngineRequest> requests;
  for (size_t i = 0; i < inputs.size(); ++i) requests.push_back({i, inputs[i], nullptr, options, models});
  return Run(std::move(requests));
}

absl::StatusOr<std::vector<double>> SequenceLogProbs(const MixedWeights& weights,
                                                     std::span<const std::vector<int32_t>> inputs,
                                                     std::span<const Generation> generations, Backend* backend) {
  std::vector<ScoredSequence> sequences;
  for (size_t i = 0; i < inputs.size(); ++i) sequences.push_back({inputs[i], generations[i].tokens});
  ASSIGN_OR_RETURN(const auto log_probs, TargetLogProbs(weights, sequences, backend));
  std::vector<double> sums;
  sums.reserve(log_probs.size());
  for (const std::vector<float>& steps : log_probs) sums.push_back(std::accumulate(steps.begin(), steps.end(), 0.0));
  return sums;
}

}  // namespace trimtab
