#include "trainer/run_config.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/json_fields.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr char kFile[] = "the run's configuration";
constexpr int32_t kMany = 1 << 30;

// Reads the object under `key`, where there is one.
absl::Status Section(const JsonFields& fields, absl::string_view key, const std::vector<absl::string_view>& keys,
                     const std::function<absl::Status(const JsonFields&)>& read) {
  const json* found = fields.Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_object()) return fields.Fault(key, "no object", "an object");
  const JsonFields inner(*found, absl::StrCat(kFile, ": ", key));
  RETURN_IF_ERROR(inner.OnlyKeys(keys));
  return read(inner);
}

absl::Status Required(const JsonFields& fields, absl::string_view key, std::string* value) {
  RETURN_IF_ERROR(fields.OptionalString(key, value));
  return value->empty() ? fields.Fault(key, "missing", "a path") : absl::OkStatus();
}

absl::Status ReadPolicy(const JsonFields& fields, NewPolicy* policy) {
  RETURN_IF_ERROR(fields.OptionalString("name", &policy->name));
  RETURN_IF_ERROR(fields.OptionalString("variant", &policy->variant));
  RETURN_IF_ERROR(fields.OptionalStrings("patterns", &policy->patterns));
  RETURN_IF_ERROR(fields.OptionalString("task_prefix", &policy->task_prefix));
  RETURN_IF_ERROR(fields.OptionalStrings("prompt_labels", &policy->prompt_labels));
  std::string mixing(MixingKindName(policy->mixing.kind));
  RETURN_IF_ERROR(fields.OptionalString("mixing", &mixing));
  const std::optional<MixingKind> kind = ParseMixingKind(mixing);
  if (!kind.has_value()) return fields.Fault("mixing", mixing, "softmdp, linear or fixed");
  policy->mixing.kind = *kind;
  return fields.OptionalDouble("alpha_min", 1e-6, 1.0, &policy->mixing.alpha_min);
}

absl::Status ReadRewards(const JsonFields& fields, std::vector<RewardRule>* rules) {
  const json* rewards = fields.Find("rewards");
  if (rewards == nullptr) return absl::OkStatus();
  if (!rewards->is_array()) return fields.Fault("rewards", "no list", "a list of objects");
  for (const json& reward : *rewards) {
    if (!reward.is_object()) return fields.Fault("rewards", "no list of objects", "a list of objects");
    const JsonFields inner(reward, absl::StrCat(kFile, ": rewards[", rules->size(), "]"));
    RETURN_IF_ERROR(inner.OnlyKeys({"name", "score", "range"}));
    RewardRule& rule = rules->emplace_back();
    RETURN_IF_ERROR(inner.OptionalString("name", &rule.name));
    RETURN_IF_ERROR(inner.OptionalString("score", &rule.score));
    std::vector<double> range;
    RETURN_IF_ERROR(inner.OptionalDoubles("range", &range));
    if (range.empty()) continue;
    if (range.size() != 2 || !(range[0] < range[1])) return inner.Fault("range", "not that", "two rising numbers");
    rule.range.emplace(range[0], range[1]);
  }
  return absl::OkStatus();
}

absl::Status ReadSampling(const JsonFields& fields, SamplingRule* sampling) {
  RETURN_IF_ERROR(fields.OptionalDoubles("dirichlet", &sampling->dirichlet));
  RETURN_IF_ERROR(fields.OptionalDoubles("w", &sampling->fixed_w));
  RETURN_IF_ERROR(fields.OptionalBool("vertices", &sampling->vertices));
  double alpha = -1.0;
  RETURN_IF_ERROR(fields.OptionalDouble("alpha", 0.0, 1.0, &alpha));
  if (alpha >= 0.0) sampling->fixed_alpha = alpha;
  return absl::OkStatus();
}

absl::Status ReadLearning(const JsonFields& fields, RunConfig* config) {
  std::string baseline = "value";
  RETURN_IF_ERROR(fields.OptionalString("baseline", &baseline));
  if (baseline != "value" && baseline != "rloo") return fields.Fault("baseline", baseline, "value or rloo");
  config->leave_one_out = baseline == "rloo";
  if (config->leave_one_out) config->samples_per_article = 4;
  RETURN_IF_ERROR(fields.OptionalInt("samples_per_article", 1, 1024, &config->samples_per_article));
  RETURN_IF_ERROR(fields.OptionalInt("batch", 1, 4096, &config->batch));
  if (config->batch % config->samples_per_article != 0 || (config->leave_one_out && config->samples_per_article < 2)) {
    return fields.Fault("samples_per_article", config->samples_per_article, "a divisor of batch, at least 2 with rloo");
  }
  RETURN_IF_ERROR(fields.OptionalInt("steps", 1, kMany, &config->steps));
  RETURN_IF_ERROR(fields.OptionalInt("micro_batch", 1, 4096, &config->micro_batch));
  RETURN_IF_ERROR(fields.OptionalInt("max_input_tokens", 1, 8192, &config->max_input_tokens));
  RETURN_IF_ERROR(fields.OptionalInt("max_new_tokens", 1, 1024, &config->max_new_tokens));
  RETURN_IF_ERROR(fields.OptionalDouble("learning_rate", 0.0, 1.0, &config->learning_rate));
  RETURN_IF_ERROR(fields.OptionalDouble("value_learning_rate", 0.0, 1.0, &config->value_learning_rate));
  RETURN_IF_ERROR(fields.OptionalInt("seed", 0, kMany, &config->seed));
  RETURN_IF_ERROR(fields.OptionalInt("threads", 1, 256, &config->threads));
  RETURN_IF_ERROR(fields.OptionalInt("checkpoint_every", 1, kMany, &config->checkpoint_every));
  return fields.OptionalInt("keep_checkpoints", 1, 1000, &config->keep_checkpoints);
}

absl::Status ReadPublish(const JsonFields& fields, RunConfig* config) {
  RETURN_IF_ERROR(fields.OptionalStrings("servers", &config->servers));
  RETURN_IF_ERROR(fields.OptionalInt("every", 1, kMany, &config->publish_every));
  std::string form = "bf16";
  RETURN_IF_ERROR(fields.OptionalString("form", &form));
  if (form != "bf16" && form != "float32") return fields.Fault("form", form, "bf16 or float32");
  config->publish_bf16 = form == "bf16";
  RETURN_IF_ERROR(fields.OptionalString("token_file", &config->token_file));
  TlsOptions& tls = config->tls;
  RETURN_IF_ERROR(fields.OptionalBool("tls", &tls.enabled));
  RETURN_IF_ERROR(fields.OptionalString("tls_ca", &tls.ca));
  RETURN_IF_ERROR(fields.OptionalString("tls_certificate", &tls.certificate));
  RETURN_IF_ERROR(fields.OptionalString("tls_key", &tls.key));
  return fields.OptionalString("tls_server_name", &tls.server_name);
}

}  // namespace

absl::StatusOr<RunConfig> ParseRunConfig(absl::string_view text) {
  ASSIGN_OR_RETURN(const json object, ParseStrictJson(text, kFile));
  if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(kFile, " is not a JSON object"));
  const JsonFields fields(object, kFile);
  RETURN_IF_ERROR(fields.OnlyKeys({"out",
                                   "start",
                                   "corpus",
                                   "policy",
                                   "rewards",
                                   "remote_rewards",
                                   "sampling",
                                   "baseline",
                                   "samples_per_article",
                                   "batch",
                                   "steps",
                                   "micro_batch",
                                   "max_input_tokens",
                                   "max_new_tokens",
                                   "learning_rate",
                                   "value_learning_rate",
                                   "seed",
                                   "threads",
                                   "checkpoint_every",
                                   "keep_checkpoints",
                                   "publish",
                                   "control",
                                   "metrics"}));
  RunConfig config;
  RETURN_IF_ERROR(Required(fields, "out", &config.out));
  RETURN_IF_ERROR(Required(fields, "start", &config.start));
  RETURN_IF_ERROR(Required(fields, "corpus", &config.corpus));
  RETURN_IF_ERROR(Section(fields, "policy",
                          {"name", "variant", "patterns", "mixing", "alpha_min", "task_prefix", "prompt_labels"},
                          [&](const JsonFields& inner) { return ReadPolicy(inner, &config.policy); }));
  RETURN_IF_ERROR(ReadRewards(fields, &config.rewards));
  RETURN_IF_ERROR(fields.OptionalStrings("remote_rewards", &config.remote_rewards));
  RETURN_IF_ERROR(Section(fields, "sampling", {"dirichlet", "w", "vertices", "alpha"},
                          [&](const JsonFields& inner) { return ReadSampling(inner, &config.sampling); }));
  RETURN_IF_ERROR(ReadLearning(fields, &config));
  RETURN_IF_ERROR(Section(
      fields, "publish",
      {"servers", "every", "form", "token_file", "tls", "tls_ca", "tls_certificate", "tls_key", "tls_server_name"},
      [&](const JsonFields& inner) { return ReadPublish(inner, &config); }));
  RETURN_IF_ERROR(fields.OptionalString("control", &config.control_listen));
  RETURN_IF_ERROR(fields.OptionalString("metrics", &config.metrics_listen));
  return config;
}

absl::StatusOr<RunConfig> ReadRunConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, 1 << 20));
  return ParseRunConfig(text);
}

}  // namespace trimtab
