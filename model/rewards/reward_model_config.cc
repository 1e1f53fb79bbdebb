#include "model/rewards/reward_model_config.h"

#include "absl/strings/str_cat.h"
#include "model/json_fields.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

constexpr int kFormatVersion = 1;
constexpr char kLogProbability[] = "log_probability";
constexpr char kLogit[] = "logit";

}  // namespace

absl::StatusOr<RewardModelConfig> ParseRewardModelConfig(absl::string_view text, int32_t vocab_size) {
  ASSIGN_OR_RETURN(const nlohmann::json object, ParseStrictJson(text, kRewardModelFile));
  if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(kRewardModelFile, " is not a JSON object"));
  const JsonFields fields(object, kRewardModelFile);
  RETURN_IF_ERROR(fields.OnlyKeys(
      {"format_version", "output", "token_id", "article_prefix", "summary_prefix", "max_input_tokens", "training"}));
  int version = 0;
  RETURN_IF_ERROR(fields.Int("format_version", kFormatVersion, kFormatVersion, &version));
  RewardModelConfig config;
  std::string output;
  RETURN_IF_ERROR(fields.OptionalString("output", &output));
  if (output != kLogProbability && output != kLogit) {
    return fields.Fault("output", absl::StrCat("\"", output, "\""), "log_probability or logit");
  }
  config.output = output == kLogit ? RewardOutput::kLogit : RewardOutput::kLogProbability;
  RETURN_IF_ERROR(fields.Int("token_id", 0, vocab_size - 1, &config.token_id));
  RETURN_IF_ERROR(fields.OptionalString("article_prefix", &config.article_prefix));
  RETURN_IF_ERROR(fields.OptionalString("summary_prefix", &config.summary_prefix));
  RETURN_IF_ERROR(fields.OptionalInt("max_input_tokens", 16, 4096, &config.max_input_tokens));
  return config;
}

std::string RewardModelConfigToJson(const RewardModelConfig& config) {
  const nlohmann::json object = {{"format_version", kFormatVersion},
                                 {"output", config.output == RewardOutput::kLogit ? kLogit : kLogProbability},
                                 {"token_id", config.token_id},
                                 {"article_prefix", config.article_prefix},
                                 {"summary_prefix", config.summary_prefix},
                                 {"max_input_tokens", config.max_input_tokens}};
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::vector<int32_t>> RewardModelInput(const RewardModelConfig& config, const Tokenizer& tokenizer,
                                                      int32_t eos_id, absl::string_view article,
                                                      absl::string_view summary) {
  ASSIGN_OR_RETURN(const std::vector<int32_t> tail, tokenizer.Encode(absl::StrCat(config.summary_prefix, summary),
                                                                     eos_id, config.max_input_tokens / 2, nullptr));
  const int32_t room = config.max_input_tokens - static_cast<int32_t>(tail.size());
  ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                   tokenizer.Encode(absl::StrCat(config.article_prefix, article), eos_id, room + 1, nullptr));
  ids.pop_back();  // The </s> between the two.
  ids.insert(ids.end(), tail.begin(), tail.end());
  return ids;
}

}  // namespace trimtab
