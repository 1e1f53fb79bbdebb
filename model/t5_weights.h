// One complete set of T5 weights as the forward pass reads them: pointers into a parameter version (shared tensors)
// and into mixed weights (conditioned tensors). Two lanes of a batch run one product together where they point to the
// same matrix.
#ifndef TRIMTAB_MODEL_T5_WEIGHTS_H_
#define TRIMTAB_MODEL_T5_WEIGHTS_H_

#include <vector>

#include "kernels/backend.h"

namespace trimtab {

// Embedding rows are mixed on the spot: row t is sum_j coefficients[j] * sets[j][t]. One set with coefficient 1 when
// the embedding is shared.
struct EmbeddingWeights {
  std::vector<const float*> sets;  // Each (vocab_size, d_model), row-major.
  std::vector<float> coefficients;
};

struct AttentionWeights {
  const float* norm = nullptr;  // (d_model): the layer norm before the attention.
  PackedMatrix q, k, v;         // (inner, d_model)
  PackedMatrix o;               // (d_model, inner)
};

struct FeedForwardWeights {
  const float* norm = nullptr;  // (d_model)
  PackedMatrix wi;              // (d_ff, d_model); wi_0, the gate, when gated.
  PackedMatrix up;              // (d_ff, d_model): wi_1; empty when not gated.
  PackedMatrix wo;              // (d_model, d_ff)
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
  EmbeddingWeights embedding;
  std::vector<EncoderLayerWeights> encoder;
  std::vector<DecoderLayerWeights> decoder;
  const float* encoder_norm = nullptr;  // (d_model)
  const float* decoder_norm = nullptr;  // (d_model)
  RelativeBias encoder_bias;            // (heads, 2 * reach + 1), shared by all encoder layers.
  RelativeBias decoder_bias;            // Likewise for the decoder.
  PackedMatrix lm_head;                 // (vocab_size, d_model)
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_T5_WEIGHTS_H_
