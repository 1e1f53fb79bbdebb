// clp.json: what makes a folder of T5 tensors a conditioned language policy. The format is in model/README.md.
#ifndef TRIMTAB_MODEL_CLP_CONFIG_H_
#define TRIMTAB_MODEL_CLP_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/weighting.h"

namespace trimtab {

struct RewardInfo {
  std::string name;         // [a-z0-9_]{1,32}; also the file conditioned/<name>.safetensors
  std::string description;  // For people; may be empty.
  std::string score;        // What scorers call the value it comes from; empty: as the reward.
  // Raw reward values that map linearly to [0, 1]; never clipped.
  double range_low = 0.0;
  double range_high = 1.0;
  // A composite reward is a weighted sum (0.9 nli + 0.1 rouge) of plain ones, or of scores in score_ranges, mapped each
  // by its own range; empty for a plain one.
  std::map<std::string, double> composite;
};

inline constexpr int kMaxRewards = 16;

struct Preset {
  double alpha = 1.0;
  std::vector<double> w;  // In reward order.
  std::string description;
};

// Prompt conditioning (paper A.2): the weights are also written into the prompt, before the task prefix.
struct PromptConditioning {
  std::vector<std::string> labels;  // One per reward, in order.
};

struct ClpConfig {
  int format_version = 1;
  std::string name;                   // Of the model, for people and metrics labels.
  std::string variant = "none";       // "full", "attn", "logit", "none" or "custom"
  std::vector<std::string> patterns;  // Globs ('*' only) over canonical tensor names: S.
  std::vector<RewardInfo> rewards;    // m entries, at most 16.
  // Of scores that only composites use: raw values that map to 0 and 1.
  std::map<std::string, std::pair<double, double>> score_ranges;
  MixingRule mixing;
  double default_alpha = 1.0;
  std::string task_prefix;                // Put before every article: "summarize: ".
  std::map<std::string, Preset> presets;  // "concise" -> (alpha, w)
  std::optional<PromptConditioning> prompt_conditioning;
  uint64_t sequence = 0;  // Version number of the parameters; 0 for an import.
  std::string digest;     // Of the parameters, lower-case hex SHA-256; empty: not stated.

  std::optional<double> logit_scale;  // Overrides the output scale config.json implies (a tied T5 in logit mode).

  bool has_reference() const { return !rewards.empty() && mixing.kind != MixingKind::kFixed; }
  // Sets per conditioned tensor, k: m, plus 1 with a reference; 1 without rewards.
  int num_sets() const;
  int RewardIndex(absl::string_view reward_name) const;  // -1 when absent.
  std::string RewardNames() const;                       // For messages: "nli, rouge", or "none".
};

// InvalidArgument, naming the key, for an unknown key, a wrong type or range, a duplicate or ill-formed reward name,
// a preset off the simplex, or a format version this build does not read.
absl::StatusOr<ClpConfig> ParseClpConfig(absl::string_view json);
std::string ClpConfigToJson(const ClpConfig& config);

// The tensor patterns of a named variant: S_full, S_attn (q, k, v, o and relative bias, no norms), S_logit.
absl::StatusOr<std::vector<std::string>> VariantPatterns(absl::string_view variant);
// 1 to 32 of a-z, 0-9 and _.
bool IsRewardName(absl::string_view name);
bool MatchesAny(const std::vector<std::string>& patterns, absl::string_view tensor_name);

// The text the encoder reads: prompt conditioning (if the checkpoint asks for it), task prefix, article.
std::string BuildPrompt(const ClpConfig& config, const Weighting& weighting, absl::string_view article);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_CLP_CONFIG_H_
