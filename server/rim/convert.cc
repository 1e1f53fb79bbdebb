#include "server/rim/convert.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/field_error.h"
#include "model/mixed_weights.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

absl::Status CheckLength(absl::string_view field, absl::string_view value) {
  if (value.size() <= kMaxNameBytes) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("has ", value.size(), " bytes; at most ", kMaxNameBytes, " are accepted"));
}

absl::Status CheckCount(absl::string_view field, int count) {
  if (count <= kMaxRewards) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("has ", count, " entries; at most ", kMaxRewards, " are accepted"));
}

void SetDuration(absl::Duration value, google::protobuf::Duration* out) {
  absl::Duration rest;
  out->set_seconds(absl::IDivDuration(value, absl::Seconds(1), &rest));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

SteeringBounds::Range RangeOf(const SteeringBounds& bounds, const std::string& reward) {
  const auto found = bounds.rewards.find(reward);
  return found == bounds.rewards.end() ? SteeringBounds::Range() : found->second;
}

GenerationOptions Defaults(const GenerationDefaults& defaults, const RequestLimits& limits) {
  GenerationOptions options;
  options.max_new_tokens = std::min(defaults.max_new_tokens, limits.max_new_tokens);
  options.num_beams = std::min(defaults.num_beams, limits.max_beams);
  options.length_penalty = defaults.length_penalty;
  options.no_repeat_ngram_size = defaults.no_repeat_ngram_size;
  return options;
}

// The same error with its field as seen from the message `parent` is a field of.
absl::Status Within(absl::string_view parent, const absl::Status& status) {
  const std::optional<std::string> field = FieldOf(status);
  if (!field.has_value()) return status;
  absl::Status moved(status.code(), absl::StrCat(parent, ".", status.message()));
  moved.SetPayload(kFieldPayload, absl::Cord(absl::StrCat(parent, ".", *field)));
  return moved;
}

}  // namespace

absl::Status CheckArticle(absl::string_view article) {
  if (article.empty()) return InvalidField("article", "is empty; expected the text to summarise");
  if (article.size() > kMaxArticleBytes) {
    return InvalidField("article",
                        absl::StrCat("has ", article.size(), " bytes; at most ", kMaxArticleBytes, " are accepted"));
  }
  if (const size_t nul = article.find('\0'); nul != absl::string_view::npos) {
    return InvalidField("article", absl::StrCat("has a NUL byte at offset ", nul, "; expected text"));
  }
  if (absl::StripAsciiWhitespace(article).empty()) {
    return InvalidField("article", "is only white space; expected the text to summarise");
  }
  return absl::OkStatus();
}

absl::Status CheckSteering(absl::string_view field, const v1::Steering& steering) {
  RETURN_IF_ERROR(CheckCount(absl::StrCat(field, ".weights"), steering.weights_size()));
  RETURN_IF_ERROR(CheckCount(absl::StrCat(field, ".named_weights"), static_cast<int>(steering.named_weights_size())));
  RETURN_IF_ERROR(CheckLength(absl::StrCat(field, ".preset"), steering.preset()));
  for (const auto& [name, weight] : steering.named_weights()) {
    RETURN_IF_ERROR(CheckLength(absl::StrCat(field, ".named_weights"), name));
  }
  return absl::OkStatus();
}

absl::Status CheckServing(absl::string_view parameter_digest, v1::ExecutionPath path) {
  RETURN_IF_ERROR(CheckLength("parameter_digest", parameter_digest));
  if (v1::ExecutionPath_IsValid(path)) return absl::OkStatus();
  return InvalidField(
      "execution_path",
      absl::StrCat("is ", static_cast<int>(path), "; expected EXECUTION_PATH_DENSE, EXECUTION_PATH_BASIS or nothing"));
}

absl::Status CheckRequest(const v1::SummarizeRequest& request) {
  RETURN_IF_ERROR(CheckArticle(request.article()));
  RETURN_IF_ERROR(CheckSteering("steering", request.steering()));
  RETURN_IF_ERROR(CheckLength("min_parameter_version.digest", request.min_parameter_version().digest()));
  return CheckServing(request.parameter_digest(), request.execution_path());
}

absl::StatusOr<std::optional<ExecutionPath>> PathFromProto(v1::ExecutionPath path, const RequestLimits& limits) {
  if (path == v1::EXECUTION_PATH_DENSE) return ExecutionPath::kDense;
  if (path != v1::EXECUTION_PATH_BASIS) return std::nullopt;
  if (!limits.deterministic) return ExecutionPath::kBasis;
  return InvalidField("execution_path",
                      "is EXECUTION_PATH_BASIS; this server is deterministic and runs EXECUTION_PATH_DENSE only");
}

v1::ExecutionPath PathToProto(ExecutionPath path) {
  return path == ExecutionPath::kDense ? v1::EXECUTION_PATH_DENSE : v1::EXECUTION_PATH_BASIS;
}

SteeringAsked SteeringFromProto(const v1::Steering& steering) {
  SteeringAsked asked;
  if (steering.has_alpha()) asked.alpha = steering.alpha();
  asked.weights.assign(steering.weights().begin(), steering.weights().end());
  asked.named_weights.insert(steering.named_weights().begin(), steering.named_weights().end());
  asked.preset = steering.preset();
  return asked;
}

absl::StatusOr<Steering> ResolveAt(absl::string_view field, const ClpConfig& clp, const SteeringBounds& bounds,
                                   const CoefficientGrid& grid, const v1::Steering& asked) {
  auto steering = ResolveSteering(clp, bounds, grid, SteeringFromProto(asked));
  if (!steering.ok()) return Within(field, steering.status());
  return steering;
}

absl::StatusOr<Steering> ResolveRequest(const ClpConfig& clp, const SteeringBounds& bounds, const CoefficientGrid& grid,
                                        const v1::SummarizeRequest& request) {
  return ResolveAt("steering", clp, bounds, grid, request.steering());
}

absl::StatusOr<GenerationOptions> OptionsFromProto(const v1::GenerationOptions& asked,
                                                   const GenerationDefaults& defaults, int32_t vocab_size,
                                                   const RequestLimits& limits) {
  GenerationOptions options = Defaults(defaults, limits);
  if (asked.has_temperature()) options.temperature = asked.temperature();
  if (options.temperature > 0) options.num_beams = 1;
  if (asked.has_max_new_tokens()) options.max_new_tokens = asked.max_new_tokens();
  if (asked.has_min_new_tokens()) options.min_new_tokens = asked.min_new_tokens();
  if (asked.has_num_beams()) options.num_beams = asked.num_beams();
  if (asked.has_length_penalty()) options.length_penalty = asked.length_penalty();
  if (asked.has_no_repeat_ngram_size()) options.no_repeat_ngram_size = asked.no_repeat_ngram_size();
  if (asked.has_top_k()) options.top_k = asked.top_k();
  if (asked.has_top_p()) options.top_p = asked.top_p();
  options.seed = asked.seed();
  options.log_probs = asked.log_probs();

  RETURN_IF_ERROR(ValidateGenerationOptions(options, vocab_size));
  if (options.max_new_tokens > limits.max_new_tokens) {
    return InvalidField("options.max_new_tokens", absl::StrCat("is ", options.max_new_tokens,
                                                               "; this server takes 1 to ", limits.max_new_tokens));
  }
  if (options.num_beams > limits.max_beams) {
    return InvalidField("options.num_beams",
                        absl::StrCat("is ", options.num_beams, "; this server takes 1 to ", limits.max_beams));
  }
  return options;
}

v1::GenerationOptions OptionsToProto(const GenerationOptions& options) {
  v1::GenerationOptions message;
  message.set_max_new_tokens(options.max_new_tokens);
  message.set_min_new_tokens(options.min_new_tokens);
  message.set_num_beams(options.num_beams);
  message.set_length_penalty(options.length_penalty);
  message.set_no_repeat_ngram_size(options.no_repeat_ngram_size);
  message.set_temperature(options.temperature);
  message.set_top_k(options.top_k);
  message.set_top_p(options.top_p);
  message.set_seed(options.seed);
  message.set_log_probs(options.log_probs);
  return message;
}

v1::ParameterVersion VersionToProto(const ParameterVersion& version) {
  v1::ParameterVersion message;
  message.set_epoch(version.epoch);
  message.set_sequence(version.sequence);
  message.set_digest(version.digest);
  return message;
}

v1::AppliedWeighting WeightingToProto(const Steering& steering) {
  v1::AppliedWeighting message;
  message.set_alpha(steering.weighting.alpha());
  const std::vector<double>& w = steering.weighting.w();
  message.mutable_weights()->Assign(w.begin(), w.end());
  const std::vector<float>& c = steering.coefficients.values();
  message.mutable_coefficients()->Assign(c.begin(), c.end());
  return message;
}

v1::Timings TimingsToProto(const SummaryTimes& times) {
  v1::Timings message;
  SetDuration(times.queue, message.mutable_queue());
  SetDuration(times.mix, message.mutable_mix());
  SetDuration(times.encode, message.mutable_encode());
  SetDuration(times.decode, message.mutable_decode());
  SetDuration(times.first_token, message.mutable_first_token());
  return message;
}

v1::CacheOutcome CacheToProto(CacheOutcome outcome) {
  switch (outcome) {
    case CacheOutcome::kHit:
      return v1::CACHE_OUTCOME_HIT;
    case CacheOutcome::kMiss:
      return v1::CACHE_OUTCOME_MISS;
    case CacheOutcome::kShared:
      return v1::CACHE_OUTCOME_SHARED;
    case CacheOutcome::kBasis:
      return v1::CACHE_OUTCOME_BASIS;
  }
  return v1::CACHE_OUTCOME_UNSPECIFIED;
}

v1::FinishReason FinishReasonToProto(FinishReason reason) {
  return reason == FinishReason::kEos ? v1::FINISH_REASON_EOS : v1::FINISH_REASON_LENGTH;
}

void DescribeModel(const Parameters& parameters, const SteeringBounds& bounds, const RequestLimits& limits,
                   v1::GetModelInfoResponse* info) {
  const ClpConfig& clp = parameters.clp();
  info->set_name(clp.name);
  info->set_variant(clp.variant);
  for (const RewardInfo& reward : clp.rewards) {
    v1::Reward* message = info->add_rewards();
    message->set_name(reward.name);
    message->set_description(reward.description);
    message->set_range_low(reward.range_low);
    message->set_range_high(reward.range_high);
    const SteeringBounds::Range range = RangeOf(bounds, reward.name);
    message->set_weight_low(range.low);
    message->set_weight_high(range.high);
  }
  info->set_mixing(std::string(MixingKindName(clp.mixing.kind)));
  info->set_alpha_min(clp.mixing.alpha_min);
  info->set_default_alpha(clp.default_alpha);
  for (const auto& [name, preset] : clp.presets) {
    v1::Preset* message = info->add_presets();
    message->set_name(name);
    message->set_description(preset.description);
    message->set_alpha(preset.alpha);
    message->mutable_weights()->Assign(preset.w.begin(), preset.w.end());
  }
  *info->mutable_parameter_version() = VersionToProto(parameters.version());
  *info->mutable_default_options() = OptionsToProto(Defaults(parameters.generation(), limits));
  info->set_max_input_tokens(limits.max_input_tokens);
  info->set_max_new_tokens(limits.max_new_tokens);
  info->set_alpha_floor(std::max(bounds.alpha_floor, clp.mixing.alpha_min));
  info->set_precision(std::string(PrecisionName(parameters.precision())));
  info->set_parameter_bytes(parameters.bytes());
  info->set_mixed_bytes(MixedWeights::Bytes(parameters));
}

}  // namespace trimtab
