// One complete set of T5 weights as the forward pass reads them: pointers into a parameter version (shared tensors and
// the basis) and into mixed weights. Two lanes of a batch run one product together where they point to the same matrix
// or, over a basis, to the same sets.
#ifndef TRIMTAB_MODEL_T5_WEIGHTS_H_
#define TRIMTAB_MODEL_T5_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "kernels/backend.h"

namespace trimtab {

// Embedding rows are mixed on the spot: row t is sum_j coefficients[j] * sets[j][t]. One set with coefficient 1 when
// the embedding is shared.
struct EmbeddingWeights {
  std::vector<const float*> sets;  // Each (vocab_size, d_model), row-major.
  std::vector<float> coefficients;
  friend bool operator==(const EmbeddingWeights&, const EmbeddingWeights&) = default;
};

// The sets of one conditioned matrix.
struct MatrixBasis {
  std::vector<PackedMatrix> sets;     // What mixtures are made from.
  std::vector<PackedMatrix> factors;  // What rows are multiplied by: the sets, in the precision of products.
};

// How far the mixture of one matrix has come.
enum class MixState : uint8_t {
  kUnused,
  kUsedOnce,  // It was made for one use and not kept, so that who asks once pays for no memory.
  kMixed,
};

// One weight matrix of one model, mixed already or to be mixed when it is used.
struct WeightMatrix {
  // The matrix, or the place of its mixture. Without data there is none: rows run over the basis.
  PackedMatrix mixed;
  const MatrixBasis* basis = nullptr;  // Null: shared.
  MixState* state = nullptr;           // Of a mixture that is made on use, by the engine it runs in. Null: it is there.
  std::byte* place = nullptr;          // Where such a mixture is written: mixed.data.
  bool empty() const { return mixed.data == nullptr && basis == nullptr; }
};

struct AttentionWeights {
  const float* norm = nullptr;  // (d_model): the layer norm before the attention.
  WeightMatrix q, k, v;         // (inner, d_model)
  WeightMatrix o;               // (d_model, inner)
};

struct FeedForwardWeights {
  const float* norm = nullptr;  // (d_model)
  WeightMatrix wi;              // (d_ff, d_model); wi_0, the gate, when gated.
  WeightMatrix up;              // (d_ff, d_model): wi_1; empty when not gated.
  WeightMatrix wo;              // (d_model, d_ff)
};

struct EncoderLayerWeights {
  AttentionWeights self;
  FeedForwardWeights feed_forward;
};

struct DecoderLayerWeights {
  AttentionWeights self;
  AttentionWeights cross;
  FeedForwardWeights feed_forward;
};

struct T5Weights {
  std::vector<float> coefficients;     // Of the basis, one per set.
  absl::Duration* mix_time = nullptr;  // Grows by what mixing on use takes; null where all is mixed.
  EmbeddingWeights embedding;
  std::vector<EncoderLayerWeights> encoder;
  std::vector<DecoderLayerWeights> decoder;
  const float* encoder_norm = nullptr;  // (d_model)
  const float* decoder_norm = nullptr;  // (d_model)
  RelativeBias encoder_bias;            // (heads, 2 * reach + 1), shared by all encoder layers.
  RelativeBias decoder_bias;            // Likewise for the decoder.
  WeightMatrix lm_head;                 // (vocab_size, d_model)
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_T5_WEIGHTS_H_
