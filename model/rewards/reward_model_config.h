// reward_model.json: what makes a folder of a T5 a reward model. The format is in model/README.md.
#ifndef TRIMTAB_MODEL_REWARDS_REWARD_MODEL_CONFIG_H_
#define TRIMTAB_MODEL_REWARDS_REWARD_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/tokenizer.h"

namespace trimtab {

inline constexpr char kRewardModelFile[] = "reward_model.json";

// What is read off the logits of the decoder's first step.
enum class RewardOutput {
  kLogProbability,  // Of the token, among all: consistency ("does it follow?", with the token for yes).
  kLogit,           // The token's own: quality, learned from preferences, on a scale of its own.
};

struct RewardModelConfig {
  RewardOutput output = RewardOutput::kLogProbability;
  int32_t token_id = 3;  // Whose logit it is; for kLogProbability the token that says yes.
  std::string article_prefix = "premise: ";
  std::string summary_prefix = "hypothesis: ";
  int32_t max_input_tokens = 512;  // 16 to 4096. A long article is cut, a summary only beyond half of it.
};

// InvalidArgument, naming the key, for an unknown key or a value out of range. `vocab_size` bounds token_id.
absl::StatusOr<RewardModelConfig> ParseRewardModelConfig(absl::string_view json, int32_t vocab_size);
std::string RewardModelConfigToJson(const RewardModelConfig& config);

// What the encoder reads: article_prefix + article, summary_prefix + summary, </s>. At most max_input_tokens ids.
absl::StatusOr<std::vector<int32_t>> RewardModelInput(const RewardModelConfig& config, const Tokenizer& tokenizer,
                                                      int32_t eos_id, absl::string_view article,
                                                      absl::string_view summary);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_REWARD_MODEL_CONFIG_H_
