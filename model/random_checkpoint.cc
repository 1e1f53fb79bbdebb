#include "model/random_checkpoint.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/checkpoint.h"
#include "model/checkpoint_files.h"
#include "model/mapped_file.h"
#include "model/safetensors.h"
#include "model/status_macros.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

struct Shape {
  const char* name;
  bool flan;
  int32_t d_model, d_ff, num_heads, layers;
};

constexpr Shape kShapes[] = {
    {"t5-small", false, 512, 2048, 8, 6},        {"t5-base", false, 768, 3072, 12, 12},
    {"flan-t5-small", true, 512, 1024, 6, 8},    {"flan-t5-base", true, 768, 2048, 12, 12},
    {"flan-t5-large", true, 1024, 2816, 16, 24},
};

// Uniform in [-1, 1); the state moves by a fixed odd step, the output is its hash.
class Uniform {
 public:
  explicit Uniform(uint64_t seed) : state_(seed) {}
  float Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<float>(static_cast<int32_t>((z ^ (z >> 31)) >> 32)) * 0x1p-31f;
  }

 private:
  uint64_t state_;
};

// What T5 starts training from (embeddings smaller: nothing has been learned that would tame them).
double Deviation(const T5Config& config, const TensorSpec& spec) {
  const double model = config.d_model;
  if (spec.role == TensorRole::kRelativeBias) return std::pow(model, -0.5);
  if (spec.role == TensorRole::kEmbedding) return 1.0;
  if (absl::EndsWith(spec.name, ".q.weight")) return std::pow(model * config.d_kv, -0.5);
  return std::pow(static_cast<double>(spec.shape[1]), -0.5);
}

std::vector<float> Values(const T5Config& config, const TensorSpec& spec, uint64_t seed) {
  int64_t elements = 1;
  for (int64_t extent : spec.shape) elements *= extent;
  if (spec.role == TensorRole::kNormGain) return std::vector<float>(elements, 1.0f);
  const float scale = static_cast<float>(std::sqrt(3.0) * Deviation(config, spec));
  Uniform uniform(seed);
  std::vector<float> values(elements);
  for (float& value : values) value = scale * uniform.Next();
  return values;
}

std::string ConfigJson(const T5Config& config) {
  const nlohmann::ordered_json json = {{"architectures", {"T5ForConditionalGeneration"}},
                                       {"model_type", "t5"},
                                       {"vocab_size", config.vocab_size},
                                       {"d_model", config.d_model},
                                       {"d_kv", config.d_kv},
                                       {"d_ff", config.d_ff},
                                       {"num_heads", config.num_heads},
                                       {"num_layers", config.encoder_layers},
                                       {"num_decoder_layers", config.decoder_layers},
                                       {"relative_attention_num_buckets", config.relative_buckets},
                                       {"relative_attention_max_distance", config.relative_max_distance},
                                       {"layer_norm_epsilon", 1e-6},
                                       {"feed_forward_proj", config.gated ? "gated-gelu" : "relu"},
                                       {"is_encoder_decoder", true},
                                       {"pad_token_id", config.pad_id},
                                       {"eos_token_id", config.eos_id},
                                       {"decoder_start_token_id", config.decoder_start_id},
                                       {"tie_word_embeddings", config.tied_embeddings},
                                       {"torch_dtype", "float32"}};
  return json.dump(2) + "\n";
}

std::string GenerationJson(const T5Config& config) {
  const nlohmann::ordered_json json = {{"decoder_start_token_id", config.decoder_start_id},
                                       {"eos_token_id", config.eos_id},
                                       {"max_new_tokens", 64},
                                       {"pad_token_id", config.pad_id}};
  return json.dump(2) + "\n";
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  return WriteFileAtomically(path, std::as_bytes(std::span<const char>(text.data(), text.size())));
}

// A folder with all but the tensors.
absl::Status BeginFolder(const T5Config& config, const std::string& tokenizer, const std::string& out) {
  std::ifstream file(tokenizer, std::ios::binary);
  const std::string pieces{std::istreambuf_iterator<char>(file), {}};
  if (pieces.empty()) return absl::NotFoundError(absl::StrCat(tokenizer, ": cannot be read; expected a spiece.model"));
  RETURN_IF_ERROR(MakeEmptyFolder(out));
  RETURN_IF_ERROR(WriteText(absl::StrCat(out, "/", kConfigFile), ConfigJson(config)));
  RETURN_IF_ERROR(WriteText(absl::StrCat(out, "/", kGenerationFile), GenerationJson(config)));
  return WriteText(absl::StrCat(out, "/", kTokenizerFile), pieces);
}

absl::Status WriteRandomTensors(const T5Config& config, const std::vector<TensorSpec>& specs, uint64_t seed,
                                const std::string& path) {
  std::vector<std::vector<float>> values;
  std::map<std::string, Tensor, std::less<>> tensors;
  for (const TensorSpec& spec : specs) {
    values.push_back(Values(config, spec, seed + (values.size() << 32)));
    tensors[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span<const float>(values.back()))};
  }
  return WriteSafetensors(path, tensors, {{"format", "pt"}});
}

}  // namespace

std::vector<std::string> KnownShapes() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

absl::StatusOr<T5Config> KnownShape(absl::string_view name) {
  for (const Shape& shape : kShapes) {
    if (name != shape.name) continue;
    T5Config config;
    config.vocab_size = 32128;
    config.d_model = shape.d_model;
    config.d_kv = 64;
    config.d_ff = shape.d_ff;
    config.num_heads = shape.num_heads;
    config.encoder_layers = config.decoder_layers = shape.layers;
    config.gated = shape.flan;
    config.activation = shape.flan ? Activation::kGeluNew : Activation::kRelu;
    config.tied_embeddings = !shape.flan;
    return config;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("shape is \"", name, "\"; expected one of ", absl::StrJoin(KnownShapes(), ", ")));
}

absl::Status WriteRandomCheckpoint(const T5Config& config, uint64_t seed, const std::string& tokenizer,
                                   const std::string& out) {
  RETURN_IF_ERROR(BeginFolder(config, tokenizer, out));
  return WriteRandomTensors(config, T5Tensors(config), seed, absl::StrCat(out, "/model.safetensors"));
}

absl::Status WriteRandomClp(const T5Config& config, const std::string& variant, int rewards, uint64_t seed,
                            const std::string& tokenizer, const std::string& out) {
  ClpConfig clp;
  clp.name = "random";
  clp.variant = variant;
  ASSIGN_OR_RETURN(clp.patterns, VariantPatterns(variant));
  clp.default_alpha = clp.mixing.alpha_min;
  for (int i = 0; i < rewards; ++i) clp.rewards.emplace_back().name = absl::StrCat("r", i);
  RETURN_IF_ERROR(BeginFolder(config, tokenizer, out));
  std::vector<TensorSpec> shared, conditioned;
  for (const ModelTensor& tensor : PlanTensors(config, clp)) {
    (tensor.conditioned ? conditioned : shared).push_back(tensor.spec);
  }
  RETURN_IF_ERROR(WriteRandomTensors(config, shared, seed, absl::StrCat(out, "/", kSharedFile)));
  RETURN_IF_ERROR(WriteRandomTensors(config, conditioned, seed + 1, absl::StrCat(out, "/", kReferenceFile)));
  std::error_code error;
  std::filesystem::create_directory(std::filesystem::path(out) / "conditioned", error);
  for (int i = 0; i < rewards; ++i) {
    RETURN_IF_ERROR(WriteRandomTensors(config, conditioned, seed + 2 + i,
                                       absl::StrCat(out, "/", ConditionedFile(clp.rewards[i].name))));
  }
  return WriteText(absl::StrCat(out, "/", kClpFile), ClpConfigToJson(clp));
}

}  // namespace trimtab
