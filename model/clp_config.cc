#include "model/clp_config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "model/digest.h"
#include "model/json_fields.h"
#include "model/one_line.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr char kFile[] = "clp.json";
constexpr int kFormatVersion = 1;
constexpr size_t kMaxPresets = 64;
constexpr int kPromptRepeats = 5;  // How often a weight is repeated in the prompt (paper A.2).

absl::Status ReadRange(const JsonFields& fields, absl::string_view key, double* low, double* high) {
  std::vector<double> range = {*low, *high};
  RETURN_IF_ERROR(fields.OptionalDoubles(key, &range));
  if (range.size() != 2 || !(range[0] < range[1])) {
    return fields.Fault(key, absl::StrCat("[", absl::StrJoin(range, ", "), "]"), "two rising numbers");
  }
  *low = range[0];
  *high = range[1];
  return absl::OkStatus();
}

absl::Status ReadReward(const json& object, size_t index, RewardInfo* reward) {
  const std::string where = absl::StrCat("clp.json: rewards[", index, "]");
  if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, " is not an object"));
  const JsonFields fields(object, where);
  RETURN_IF_ERROR(fields.OnlyKeys({"name", "description", "score", "range", "composite"}));
  RETURN_IF_ERROR(fields.OptionalString("name", &reward->name));
  if (!IsRewardName(reward->name)) {
    return fields.Fault("name", absl::StrCat("\"", reward->name, "\""), "1 to 32 of a-z, 0-9 and _");
  }
  RETURN_IF_ERROR(fields.OptionalString("description", &reward->description));
  RETURN_IF_ERROR(fields.OptionalString("score", &reward->score));
  RETURN_IF_ERROR(ReadRange(fields, "range", &reward->range_low, &reward->range_high));
  const json* composite = fields.Find("composite");
  if (composite == nullptr) return absl::OkStatus();
  if (!composite->is_object()) return fields.Fault("composite", "not an object", "reward names and their weights");
  for (const auto& [name, weight] : composite->items()) {
    if (!weight.is_number()) return fields.Fault("composite", "not all numbers", "reward names and their weights");
    reward->composite[name] = weight.get<double>();
  }
  return absl::OkStatus();
}

absl::Status ReadRewards(const JsonFields& fields, std::vector<RewardInfo>* rewards) {
  const json* list = fields.Find("rewards");
  if (list == nullptr) return absl::OkStatus();
  if (!list->is_array() || list->size() > kMaxRewards) {
    return fields.Fault("rewards", list->is_array() ? "longer" : "not a list",
                        absl::StrCat("a list of at most ", kMaxRewards));
  }
  std::set<std::string> names;
  for (size_t i = 0; i < list->size(); ++i) {
    RewardInfo reward;
    RETURN_IF_ERROR(ReadReward((*list)[i], i, &reward));
    if (!names.insert(reward.name).second) {
      return fields.Fault(absl::StrCat("rewards[", i, "] name"), reward.name, "a name of its own (it appears twice)");
    }
    rewards->push_back(std::move(reward));
  }
  return absl::OkStatus();
}

absl::Status ReadScoreRanges(const JsonFields& fields, ClpConfig* config) {
  const json* object = fields.Find("score_ranges");
  if (object == nullptr) return absl::OkStatus();
  if (!object->is_object()) return fields.Fault("score_ranges", "not an object", "score names and their ranges");
  const JsonFields ranges(*object, "clp.json: score_ranges");
  for (const auto& [name, unused] : object->items()) {
    auto& [low, high] = config->score_ranges[name];
    RETURN_IF_ERROR(ReadRange(ranges, name, &low, &high));
  }
  return absl::OkStatus();
}

// Every part of a composite is a plain reward or has a range of its own.
absl::Status CheckComposites(const JsonFields& fields, const ClpConfig& config) {
  for (size_t i = 0; i < config.rewards.size(); ++i) {
    for (const auto& [name, weight] : config.rewards[i].composite) {
      const int index = config.RewardIndex(name);
      const bool known = index < 0 ? config.score_ranges.contains(name) : config.rewards[index].composite.empty();
      if (known) continue;
      return fields.Fault(absl::StrCat("rewards[", i, "] composite"), absl::StrCat("of \"", name, "\""),
                          "plain rewards, or scores named in score_ranges");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadMixing(const JsonFields& fields, MixingRule* rule) {
  const json* object = fields.Find("mixing");
  if (object == nullptr) return absl::OkStatus();
  if (!object->is_object()) return fields.Fault("mixing", "not an object", "{kind, alpha_min}");
  const JsonFields mixing(*object, "clp.json: mixing");
  RETURN_IF_ERROR(mixing.OnlyKeys({"kind", "alpha_min"}));
  std::string kind(MixingKindName(MixingKind::kSoftmdp));
  RETURN_IF_ERROR(mixing.OptionalString("kind", &kind));
  const std::optional<MixingKind> parsed = ParseMixingKind(kind);
  if (!parsed.has_value()) return mixing.Fault("kind", kind, "softmdp, linear or fixed");
  rule->kind = *parsed;
  RETURN_IF_ERROR(mixing.OptionalDouble("alpha_min", 0.0, 1.0, &rule->alpha_min));
  if (rule->alpha_min > 0.0) return absl::OkStatus();
  return mixing.Fault("alpha_min", 0, "more than 0, at most 1");
}

absl::Status ReadPreset(const std::string& name, const json& object, const ClpConfig& config, Preset* preset) {
  const std::string where = absl::StrCat("clp.json: preset ", OneLine(name));
  if (!IsRewardName(name)) return absl::InvalidArgumentError(where + " is not named by 1 to 32 of a-z, 0-9 and _");
  if (!object.is_object()) return absl::InvalidArgumentError(where + " is not an object");
  const JsonFields fields(object, where);
  RETURN_IF_ERROR(fields.OnlyKeys({"alpha", "w", "description"}));
  preset->alpha = config.default_alpha;
  RETURN_IF_ERROR(fields.OptionalDouble("alpha", 0.0, 1.0, &preset->alpha));
  RETURN_IF_ERROR(fields.OptionalDoubles("w", &preset->w));
  RETURN_IF_ERROR(fields.OptionalString("description", &preset->description));
  const absl::StatusOr<Weighting> weighting =
      Weighting::Create(config.mixing, static_cast<int>(config.rewards.size()), preset->alpha, preset->w);
  if (weighting.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", weighting.status().message()));
}

absl::Status ReadPresets(const JsonFields& fields, ClpConfig* config) {
  const json* object = fields.Find("presets");
  if (object == nullptr) return absl::OkStatus();
  if (!object->is_object() || object->size() > kMaxPresets) {
    return fields.Fault("presets", "not an object of that size", absl::StrCat("at most ", kMaxPresets, " presets"));
  }
  for (const auto& [name, value] : object->items()) {
    RETURN_IF_ERROR(ReadPreset(name, value, *config, &config->presets[name]));
  }
  return absl::OkStatus();
}

absl::Status ReadPromptConditioning(const JsonFields& fields, ClpConfig* config) {
  const json* object = fields.Find("prompt_conditioning");
  if (object == nullptr) return absl::OkStatus();
  if (!object->is_object()) return fields.Fault("prompt_conditioning", "not an object", "{labels}");
  const JsonFields prompt(*object, "clp.json: prompt_conditioning");
  RETURN_IF_ERROR(prompt.OnlyKeys({"labels"}));
  PromptConditioning conditioning;
  RETURN_IF_ERROR(prompt.OptionalStrings("labels", &conditioning.labels));
  if (conditioning.labels.size() != config->rewards.size()) {
    return prompt.Fault("labels", absl::StrCat(conditioning.labels.size(), " entries"),
                        absl::StrCat("one per reward (", config->rewards.size(), ")"));
  }
  config->prompt_conditioning = std::move(conditioning);
  return absl::OkStatus();
}

absl::Status ReadVariant(const JsonFields& fields, ClpConfig* config) {
  RETURN_IF_ERROR(fields.OptionalString("variant", &config->variant));
  RETURN_IF_ERROR(fields.OptionalStrings("patterns", &config->patterns));
  if (config->variant == "custom") return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> standard, VariantPatterns(config->variant));
  if (config->patterns.empty()) config->patterns = standard;
  if (config->patterns == standard) return absl::OkStatus();
  return fields.Fault(
      "patterns", absl::StrJoin(config->patterns, " "),
      absl::StrCat("those of variant ", config->variant, " (", absl::StrJoin(standard, " "), "), or variant custom"));
}

absl::Status ReadDefaultAlpha(const JsonFields& fields, ClpConfig* config) {
  if (config->rewards.empty()) return absl::OkStatus();
  config->default_alpha = config->mixing.alpha_min;
  RETURN_IF_ERROR(fields.OptionalDouble("default_alpha", config->mixing.alpha_min, 1.0, &config->default_alpha));
  if (config->mixing.kind != MixingKind::kFixed || config->default_alpha == config->mixing.alpha_min) {
    return absl::OkStatus();
  }
  return fields.Fault("default_alpha", config->default_alpha,
                      absl::StrCat("the fixed alpha ", config->mixing.alpha_min));
}

absl::Status ReadVersion(const JsonFields& fields, ClpConfig* config) {
  if (const json* sequence = fields.Find("sequence"); sequence != nullptr) {
    if (!sequence->is_number_unsigned()) return fields.Fault("sequence", "negative or no integer", "0 or more");
    config->sequence = sequence->get<uint64_t>();
  }
  RETURN_IF_ERROR(fields.OptionalString("digest", &config->digest));
  if (config->digest.empty() || IsHex(config->digest, 64)) return absl::OkStatus();
  return fields.Fault("digest", config->digest, "64 lower-case hex digits");
}

absl::Status ReadLogitScale(const JsonFields& fields, ClpConfig* config) {
  if (fields.Find("logit_scale") == nullptr) return absl::OkStatus();
  double scale = 0.0;
  RETURN_IF_ERROR(fields.OptionalDouble("logit_scale", 1e-6, 1e6, &scale));
  config->logit_scale = scale;
  return absl::OkStatus();
}

json RewardToJson(const RewardInfo& reward) {
  json object = {{"name", reward.name}, {"range", {reward.range_low, reward.range_high}}};
  if (!reward.description.empty()) object["description"] = reward.description;
  if (!reward.score.empty()) object["score"] = reward.score;
  if (!reward.composite.empty()) object["composite"] = reward.composite;
  return object;
}

// Between the first and the last '*' the earliest place of each part is as good as any: no backtracking.
bool MatchesGlob(absl::string_view pattern, absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(pattern, '*');
  if (parts.size() == 1) return pattern == name;
  if (!absl::ConsumePrefix(&name, parts.front()) || !absl::ConsumeSuffix(&name, parts.back())) return false;
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const size_t place = name.find(parts[i]);
    if (place == absl::string_view::npos) return false;
    name.remove_prefix(place + parts[i].size());
  }
  return true;
}

}  // namespace

int ClpConfig::num_sets() const {
  if (rewards.empty()) return 1;
  return static_cast<int>(rewards.size()) + (has_reference() ? 1 : 0);
}

std::string ClpConfig::RewardNames() const {
  if (rewards.empty()) return "none";
  return absl::StrJoin(rewards, ", ", [](std::string* out, const RewardInfo& r) { absl::StrAppend(out, r.name); });
}

int ClpConfig::RewardIndex(absl::string_view reward_name) const {
  for (size_t i = 0; i < rewards.size(); ++i) {
    if (rewards[i].name == reward_name) return static_cast<int>(i);
  }
  return -1;
}

bool IsRewardName(absl::string_view name) {
  const bool ok = std::all_of(name.begin(), name.end(),
                              [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_'; });
  return ok && !name.empty() && name.size() <= 32;
}

absl::StatusOr<ClpConfig> ParseClpConfig(absl::string_view text) {
  ASSIGN_OR_RETURN(const json object, ParseStrictJson(text, kFile));
  if (!object.is_object()) return absl::InvalidArgumentError("clp.json is not a JSON object");
  const JsonFields fields(object, kFile);
  RETURN_IF_ERROR(fields.OnlyKeys({"format_version", "name", "variant", "patterns", "rewards", "score_ranges", "mixing",
                                   "default_alpha", "task_prefix", "presets", "prompt_conditioning", "sequence",
                                   "digest", "logit_scale", "training"}));
  ClpConfig config;
  RETURN_IF_ERROR(fields.Int("format_version", kFormatVersion, kFormatVersion, &config.format_version));
  RETURN_IF_ERROR(fields.OptionalString("name", &config.name));
  RETURN_IF_ERROR(fields.OptionalString("task_prefix", &config.task_prefix));
  RETURN_IF_ERROR(ReadRewards(fields, &config.rewards));
  RETURN_IF_ERROR(ReadScoreRanges(fields, &config));
  RETURN_IF_ERROR(CheckComposites(fields, config));
  RETURN_IF_ERROR(ReadVariant(fields, &config));
  RETURN_IF_ERROR(ReadMixing(fields, &config.mixing));
  RETURN_IF_ERROR(ReadDefaultAlpha(fields, &config));
  RETURN_IF_ERROR(ReadPresets(fields, &config));
  RETURN_IF_ERROR(ReadPromptConditioning(fields, &config));
  RETURN_IF_ERROR(ReadVersion(fields, &config));
  RETURN_IF_ERROR(ReadLogitScale(fields, &config));
  return config;
}

std::string ClpConfigToJson(const ClpConfig& config) {
  json object = {{"format_version", config.format_version},
                 {"name", config.name},
                 {"variant", config.variant},
                 {"patterns", config.patterns},
                 {"rewards", json::array()},
                 {"task_prefix", config.task_prefix},
                 {"sequence", config.sequence}};
  for (const RewardInfo& reward : config.rewards) object["rewards"].push_back(RewardToJson(reward));
  if (!config.score_ranges.empty()) object["score_ranges"] = config.score_ranges;
  if (!config.rewards.empty()) {
    object["mixing"] = {{"kind", std::string(MixingKindName(config.mixing.kind))},
                        {"alpha_min", config.mixing.alpha_min}};
    object["default_alpha"] = config.default_alpha;
  }
  for (const auto& [name, preset] : config.presets) {
    object["presets"][name] = {{"alpha", preset.alpha}, {"w", preset.w}, {"description", preset.description}};
  }
  if (config.prompt_conditioning.has_value()) {
    object["prompt_conditioning"] = {{"labels", config.prompt_conditioning->labels}};
  }
  if (!config.digest.empty()) object["digest"] = config.digest;
  if (config.logit_scale.has_value()) object["logit_scale"] = *config.logit_scale;
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::vector<std::string>> VariantPatterns(absl::string_view variant) {
  if (variant == "none") return std::vector<std::string>{};
  if (variant == "full") return std::vector<std::string>{"*"};
  if (variant == "attn") return std::vector<std::string>{"*.SelfAttention.*", "*.EncDecAttention.*"};
  if (variant == "logit") return std::vector<std::string>{"lm_head.weight"};
  return absl::InvalidArgumentError(
      absl::StrCat("variant is \"", OneLine(variant), "\"; expected full, attn, logit, custom or none"));
}

bool MatchesAny(const std::vector<std::string>& patterns, absl::string_view tensor_name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return MatchesGlob(pattern, tensor_name); });
}

std::string BuildPrompt(const ClpConfig& config, const Weighting& weighting, absl::string_view article) {
  std::string conditioning;
  if (config.prompt_conditioning.has_value()) {
    std::vector<std::string> parts;
    for (size_t i = 0; i < weighting.w().size(); ++i) {
      const std::vector<std::string> repeats(kPromptRepeats, absl::StrFormat("%.2f", weighting.w()[i]));
      parts.push_back(absl::StrCat(config.prompt_conditioning->labels[i], ": ", absl::StrJoin(repeats, " ")));
    }
    conditioning = absl::StrCat(absl::StrJoin(parts, "; "), ". ");
  }
  return absl::StrCat(conditioning, config.task_prefix, article);
}

}  // namespace trimtab
