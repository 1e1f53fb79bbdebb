#include "trainer/rewards/policy_samples.h"

#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/commands/generation_flags.h"
#include "model/checkpoint.h"
#include "model/status_macros.h"
#include "trainer/rewards/realignment.h"
#include "trainer/step_random.h"

namespace trimtab {
namespace {

absl::StatusOr<Checkpoint> OpenReference(const std::string& path, const Checkpoint& policy) {
  ASSIGN_OR_RETURN(Checkpoint reference, OpenCheckpoint(path));
  if (!reference.clp.rewards.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is steerable; expected the plain T5 the policy began as"));
  }
  if (reference.tokenizer_model != policy.tokenizer_model) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has another vocabulary than ", policy.directory));
  }
  return reference;
}

}  // namespace

absl::StatusOr<PolicySamples> PolicySamples::Open(const PolicySamplesOptions& options) {
  ASSIGN_OR_RETURN(const Checkpoint policy, OpenCheckpoint(options.model));
  ASSIGN_OR_RETURN(const Checkpoint reference, OpenReference(options.reference, policy));
  if (options.realign && policy.clp.prompt_conditioning.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(options.model,
                                                   " reads its weights in the prompt, its reference does not; expected "
                                                   "a policy without prompt_labels to realign"));
  }
  ASSIGN_OR_RETURN(Rollouts rollouts, Rollouts::Create(policy.config, options.rollouts));
  PolicySamples samples(options, std::move(rollouts));
  samples.clp_ = policy.clp;
  samples.eos_id_ = policy.config.eos_id;
  ASSIGN_OR_RETURN(samples.tokenizer_, Tokenizer::Create(policy.tokenizer_model, policy.config.vocab_size));
  ASSIGN_OR_RETURN(samples.parameters_, Parameters::Create(policy, samples.rollouts_.backend()));
  ASSIGN_OR_RETURN(samples.reference_, PackPlain(reference, samples.rollouts_.backend()));
  return samples;
}

absl::StatusOr<std::vector<std::vector<int32_t>>> PolicySamples::Encode(const ClpConfig& clp,
                                                                        const Weighting& weighting,
                                                                        std::span<const Example> examples) const {
  std::vector<std::vector<int32_t>> inputs;
  for (const Example& example : examples) {
    ASSIGN_OR_RETURN(inputs.emplace_back(), tokenizer_->Encode(BuildPrompt(clp, weighting, example.document), eos_id_,
                                                               options_.rollouts.max_input_tokens, nullptr));
  }
  return inputs;
}

absl::StatusOr<std::vector<LogitExpert>> PolicySamples::Models(const Weighting& weighting) {
  if (options_.realign) return Realigned(parameters_, reference_, weighting, rollouts_.backend());
  const Coefficients coefficients = Coefficients::From(clp_.mixing, weighting, {});
  ASSIGN_OR_RETURN(auto mixed, MixedWeights::Mix(parameters_, coefficients, rollouts_.backend()));
  return std::vector<LogitExpert>{{std::move(mixed)}};
}

absl::StatusOr<std::vector<std::string>> PolicySamples::Write(std::span<const Example> examples,
                                                              const Weighting& weighting,
                                                              const v1::GenerationOptions& generation) {
  ASSIGN_OR_RETURN(const GenerationOptions options,
                   GenerationOffline(generation, parameters_->generation(), parameters_->config().vocab_size));
  ASSIGN_OR_RETURN(const auto models, Models(weighting));
  ASSIGN_OR_RETURN(const auto inputs, Encode(clp_, weighting, examples));
  ASSIGN_OR_RETURN(const std::vector<Generation> written, rollouts_.Write(models, inputs, options));
  std::vector<std::string> summaries;
  summaries.reserve(written.size());
  for (const Generation& each : written) summaries.push_back(tokenizer_->Decode(each.tokens));
  return summaries;
}

absl::StatusOr<Samples> PolicySamples::Draw(std::span<const Example> examples, const Weighting& weighting) {
  ASSIGN_OR_RETURN(const auto models, Models(weighting));
  ClpConfig plain = clp_;  // The reference knows nothing of weights in the prompt.
  plain.prompt_conditioning.reset();
  ASSIGN_OR_RETURN(const auto inputs, Encode(clp_, weighting, examples));
  ASSIGN_OR_RETURN(const auto articles, Encode(plain, weighting, examples));
  std::vector<uint64_t> seeds;
  for (size_t i = 0; i < examples.size(); ++i) seeds.push_back(StepSeed(options_.seed, Chance::kRollout, 0, i));
  ASSIGN_OR_RETURN(const std::vector<Generation> written, rollouts_.Sample(models, inputs, seeds));
  ASSIGN_OR_RETURN(const std::vector<double> reference,
                   SequenceLogProbs(*reference_, articles, written, rollouts_.backend()));
  Samples samples;
  for (size_t i = 0; i < written.size(); ++i) {
    const std::vector<float>& policy = written[i].log_probs;
    samples.summaries.push_back(tokenizer_->Decode(written[i].tokens));
    samples.log_ratios.push_back(std::accumulate(policy.begin(), policy.end(), 0.0) - reference[i]);
  }
  return samples;
}

}  // namespace trimtab
