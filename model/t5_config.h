// The shape of a T5 and the names of its tensors, as Hugging Face writes them.
#ifndef TRIMTAB_MODEL_T5_CONFIG_H_
#define TRIMTAB_MODEL_T5_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/backend.h"

namespace trimtab {

struct T5Config {
  int32_t vocab_size = 0;
  int32_t d_model = 0;
  int32_t d_kv = 0;
  int32_t d_ff = 0;
  int32_t num_heads = 0;
  int32_t encoder_layers = 0;
  int32_t decoder_layers = 0;
  int32_t relative_buckets = 32;
  int32_t relative_max_distance = 128;
  float norm_epsilon = 1e-6f;
  Activation activation = Activation::kRelu;
  bool gated = false;
  bool tied_embeddings = true;  // lm_head is the embedding; absent in config.json means true, but for mT5.
  float logit_scale = 1.0f;     // d_model^-0.5 for tied checkpoints, 1 otherwise.
  int32_t pad_id = 0;
  int32_t eos_id = 1;
  int32_t decoder_start_id = 0;

  int32_t inner() const { return num_heads * d_kv; }
};

// Reads config.json's text. InvalidArgument, naming the key, for a missing or out-of-range value, an unknown
// activation, or a model_type other than "t5" (and its kin "mt5").
absl::StatusOr<T5Config> ParseT5Config(absl::string_view json);

// Defaults a generation_config.json gives; absent keys keep these.
struct GenerationDefaults {
  int32_t max_new_tokens = 64;
  int32_t num_beams = 1;
  float length_penalty = 1.0f;
  int32_t no_repeat_ngram_size = 0;
};
absl::StatusOr<GenerationDefaults> ParseGenerationDefaults(absl::string_view json);

enum class TensorRole { kMatrix, kNormGain, kRelativeBias, kEmbedding };

struct TensorSpec {
  std::string name;            // "encoder.block.0.layer.0.SelfAttention.q.weight"
  std::vector<int64_t> shape;  // Row-major, as stored.
  TensorRole role;
};

// Every tensor of this T5 under its canonical name, in forward order: "shared.weight" first; "lm_head.weight" only
// when the embeddings are not tied.
std::vector<TensorSpec> T5Tensors(const T5Config& config);

// "encoder.embed_tokens.weight" and "decoder.embed_tokens.weight" are the same tensor as "shared.weight"; any other
// name is its own.
absl::string_view CanonicalTensorName(absl::string_view name);

// Tensors some exports carry that T5 never reads (a bias table in cross-attention).
bool IsIgnoredTensor(absl::string_view name);

// Whether encoding an article, up to the cross-attention keys and values, reads the tensor of this canonical name.
bool IsReadByEncoder(absl::string_view name);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_T5_CONFIG_H_
