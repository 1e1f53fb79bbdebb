#include "model/t5_config.h"

#include <cmath>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/json_fields.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr char kFile[] = "config.json";
constexpr int64_t kMaxWidth = 65536;

absl::Status ReadShape(const JsonFields& fields, T5Config* config) {
  RETURN_IF_ERROR(fields.Int("vocab_size", 1, 4 << 20, &config->vocab_size));
  RETURN_IF_ERROR(fields.Int("d_model", 1, kMaxWidth, &config->d_model));
  RETURN_IF_ERROR(fields.Int("d_kv", 1, 4096, &config->d_kv));
  RETURN_IF_ERROR(fields.Int("d_ff", 1, 4 * kMaxWidth, &config->d_ff));
  RETURN_IF_ERROR(fields.Int("num_heads", 1, 1024, &config->num_heads));
  RETURN_IF_ERROR(fields.Int("num_layers", 1, 256, &config->encoder_layers));
  config->decoder_layers = config->encoder_layers;
  RETURN_IF_ERROR(fields.OptionalInt("num_decoder_layers", 1, 256, &config->decoder_layers));
  RETURN_IF_ERROR(fields.OptionalInt("relative_attention_num_buckets", 4, 4096, &config->relative_buckets));
  RETURN_IF_ERROR(fields.OptionalInt("relative_attention_max_distance", 2, 1 << 14, &config->relative_max_distance));
  if (config->relative_buckets % 4 != 0) {
    return fields.Fault("relative_attention_num_buckets", config->relative_buckets, "a multiple of 4");
  }
  if (config->relative_max_distance <= config->relative_buckets / 2) {
    return fields.Fault("relative_attention_max_distance", config->relative_max_distance,
                        absl::StrCat("more than half of the ", config->relative_buckets, " buckets"));
  }
  return absl::OkStatus();
}

std::optional<Activation> ActivationNamed(absl::string_view name) {
  if (name == "relu") return Activation::kRelu;
  if (name == "gelu_new") return Activation::kGeluNew;
  if (name == "gelu") return Activation::kGelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  return std::nullopt;
}

// feed_forward_proj is "relu", "gated-gelu", "gated-silu" ...; "gated-gelu" means gelu_new. Files that were saved by
// Hugging Face also state the outcome, dense_act_fn and is_gated_act, and those win there, so they win here.
absl::Status ReadFeedForward(const JsonFields& fields, T5Config* config) {
  std::string projection = config->gated ? "gated-gelu" : "relu";
  RETURN_IF_ERROR(fields.OptionalString("feed_forward_proj", &projection));
  config->gated = absl::StartsWith(projection, "gated-");
  std::string name = projection == "gated-gelu" ? "gelu_new" : projection.substr(config->gated ? 6 : 0);
  RETURN_IF_ERROR(fields.OptionalString("dense_act_fn", &name));
  RETURN_IF_ERROR(fields.OptionalBool("is_gated_act", &config->gated));
  const std::optional<Activation> activation = ActivationNamed(name);
  if (!activation.has_value()) {
    return fields.Fault("feed_forward_proj or dense_act_fn", name, "relu, gelu, gelu_new or silu");
  }
  config->activation = *activation;
  return absl::OkStatus();
}

absl::Status ReadTokens(const JsonFields& fields, T5Config* config) {
  const int32_t last = config->vocab_size - 1;
  RETURN_IF_ERROR(fields.OptionalInt("pad_token_id", 0, last, &config->pad_id));
  RETURN_IF_ERROR(fields.OptionalInt("eos_token_id", 0, last, &config->eos_id));
  config->decoder_start_id = config->pad_id;
  return fields.OptionalInt("decoder_start_token_id", 0, last, &config->decoder_start_id);
}

void AddAttention(const std::string& layer, const std::string& kind, const T5Config& config, bool bias,
                  const std::string& stack, std::vector<TensorSpec>* tensors) {
  const std::string attention = absl::StrCat(layer, ".", kind, ".");
  for (const char* part : {"q", "k", "v"}) {
    tensors->push_back({attention + part + ".weight", {config.inner(), config.d_model}, TensorRole::kMatrix});
  }
  tensors->push_back({attention + "o.weight", {config.d_model, config.inner()}, TensorRole::kMatrix});
  if (bias) {
    tensors->push_back({stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                        {config.relative_buckets, config.num_heads},
                        TensorRole::kRelativeBias});
  }
  tensors->push_back({layer + ".layer_norm.weight", {config.d_model}, TensorRole::kNormGain});
}

void AddFeedForward(const std::string& layer, const T5Config& config, std::vector<TensorSpec>* tensors) {
  const std::string dense = layer + ".DenseReluDense.";
  if (config.gated) {
    tensors->push_back({dense + "wi_0.weight", {config.d_ff, config.d_model}, TensorRole::kMatrix});
    tensors->push_back({dense + "wi_1.weight", {config.d_ff, config.d_model}, TensorRole::kMatrix});
  } else {
    tensors->push_back({dense + "wi.weight", {config.d_ff, config.d_model}, TensorRole::kMatrix});
  }
  tensors->push_back({dense + "wo.weight", {config.d_model, config.d_ff}, TensorRole::kMatrix});
  tensors->push_back({layer + ".layer_norm.weight", {config.d_model}, TensorRole::kNormGain});
}

void AddStack(const std::string& stack, int32_t layers, bool cross, const T5Config& config,
              std::vector<TensorSpec>* tensors) {
  for (int32_t i = 0; i < layers; ++i) {
    const std::string block = absl::StrCat(stack, ".block.", i, ".layer.");
    AddAttention(block + "0", "SelfAttention", config, i == 0, stack, tensors);
    if (cross) AddAttention(block + "1", "EncDecAttention", config, false, stack, tensors);
    AddFeedForward(block + (cross ? "2" : "1"), config, tensors);
  }
  tensors->push_back({stack + ".final_layer_norm.weight", {config.d_model}, TensorRole::kNormGain});
}

}  // namespace

absl::StatusOr<T5Config> ParseT5Config(absl::string_view text) {
  ASSIGN_OR_RETURN(const json object, ParseStrictJson(text, kFile));
  if (!object.is_object()) return absl::InvalidArgumentError("config.json is not a JSON object");
  const JsonFields fields(object, kFile);
  std::string model_type = "t5";
  RETURN_IF_ERROR(fields.OptionalString("model_type", &model_type));
  if (model_type != "t5" && model_type != "mt5") {
    return fields.Fault("model_type", model_type, "\"t5\" or \"mt5\"");
  }
  T5Config config;
  // mT5 reads absent keys as v1.1 does.
  config.gated = model_type == "mt5";
  config.tied_embeddings = model_type != "mt5";
  RETURN_IF_ERROR(ReadShape(fields, &config));
  RETURN_IF_ERROR(ReadFeedForward(fields, &config));
  RETURN_IF_ERROR(ReadTokens(fields, &config));
  double epsilon = config.norm_epsilon;
  RETURN_IF_ERROR(fields.OptionalDouble("layer_norm_epsilon", 1e-12, 1.0, &epsilon));
  config.norm_epsilon = static_cast<float>(epsilon);
  RETURN_IF_ERROR(fields.OptionalBool("tie_word_embeddings", &config.tied_embeddings));
  if (config.tied_embeddings) config.logit_scale = static_cast<float>(std::pow(config.d_model, -0.5));
  return config;
}

absl::StatusOr<GenerationDefaults> ParseGenerationDefaults(absl::string_view text) {
  constexpr char kGenerationFile[] = "generation_config.json";
  ASSIGN_OR_RETURN(const json object, ParseStrictJson(text, kGenerationFile));
  if (!object.is_object()) return absl::InvalidArgumentError("generation_config.json is not a JSON object");
  const JsonFields fields(object, kGenerationFile);
  GenerationDefaults defaults;
  RETURN_IF_ERROR(fields.OptionalInt("max_new_tokens", 1, 1024, &defaults.max_new_tokens));
  RETURN_IF_ERROR(fields.OptionalInt("num_beams", 1, 8, &defaults.num_beams));
  RETURN_IF_ERROR(fields.OptionalInt("no_repeat_ngram_size", 0, 16, &defaults.no_repeat_ngram_size));
  double penalty = defaults.length_penalty;
  RETURN_IF_ERROR(fields.OptionalDouble("length_penalty", -4.0, 4.0, &penalty));
  defaults.length_penalty = static_cast<float>(penalty);
  return defaults;
}

std::vector<TensorSpec> T5Tensors(const T5Config& config) {
  std::vector<TensorSpec> tensors;
  tensors.push_back({"shared.weight", {config.vocab_size, config.d_model}, TensorRole::kEmbedding});
  AddStack("encoder", config.encoder_layers, false, config, &tensors);
  AddStack("decoder", config.decoder_layers, true, config, &tensors);
  if (!config.tied_embeddings) {
    tensors.push_back({"lm_head.weight", {config.vocab_size, config.d_model}, TensorRole::kMatrix});
  }
  return tensors;
}

absl::string_view CanonicalTensorName(absl::string_view name) {
  if (name == "encoder.embed_tokens.weight" || name == "decoder.embed_tokens.weight") return "shared.weight";
  return name;
}

bool IsIgnoredTensor(absl::string_view name) {
  return absl::EndsWith(name, ".EncDecAttention.relative_attention_bias.weight");
}

bool IsReadByEncoder(absl::string_view name) {
  return name == "shared.weight" || absl::StartsWith(name, "encoder.") ||
         absl::EndsWith(name, ".EncDecAttention.k.weight") || absl::EndsWith(name, ".EncDecAttention.v.weight");
}

}  // namespace trimtab
