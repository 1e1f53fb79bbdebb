// Attention with T5's relative bias, of encoder and decoder alike, through a queue.
#ifndef TRIMTAB_KERNELS_CUDA_ATTENTION_H_
#define TRIMTAB_KERNELS_CUDA_ATTENTION_H_

#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cuda/queue.h"

namespace trimtab::cuda {

// Neighbouring queries that see the same keys.
inline constexpr int kMaxQueries = 4;
struct AttentionTile {
  const float* keys = nullptr;  // (length, heads * head_dim), key_stride apart; values alike.
  const float* values = nullptr;
  int64_t key_stride = 0;
  int64_t value_stride = 0;
  int64_t first_row = 0;  // Of q and out.
  int32_t queries = 0;    // 1 to kMaxQueries; at most what AttentionShape says.
  int32_t length = 0;     // At least 1.
  int32_t position = 0;   // Of the first query; the next ones follow.
  RelativeBias bias;
};

struct AttentionShape {
  Rows q, out;
  int32_t heads = 0;
  int32_t head_dim = 0;
  int64_t most_queries = kMaxQueries;  // Of a tile: 1 or kMaxQueries.
};

// softmax(q k^T + bias) v for each head of each tile. `tiles` in device memory; at most 65,535 heads.
void Attend(const AttentionShape& shape, const AttentionTile* tiles, int64_t count, Queue queue);

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_ATTENTION_H_
