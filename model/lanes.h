#ifndef TRIMTAB_MODEL_LANES_H_
#define TRIMTAB_MODEL_LANES_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "model/t5_config.h"
#include "model/t5_weights.h"

namespace trimtab {

// Consecutive rows of a batch that use one set of weights.
struct Lane {
  const T5Weights* weights = nullptr;
  int64_t begin = 0;
  int64_t count = 0;
};

// The rows of one pass.
struct LaneBatch {
  std::span<const Lane> lanes;
  // Row i: the coefficients of row i of the batch. Lanes without mixtures multiply by the basis with them, all such
  // lanes in one product. Without data they mix each matrix on the spot instead: cheaper for many rows.
  Rows coefficients;
};

// The activations of one batch, sized once for its largest.
class Activations {
 public:
  static absl::StatusOr<Activations> Create(const T5Config& config, int64_t max_rows, Backend* backend);
  static int64_t Elements(const T5Config& config, int64_t max_rows);  // That it allocates.

  // Views of the first `rows` rows.
  struct View {
    Rows hidden;    // (rows, d_model): the residual stream.
    Rows normed;    // (rows, d_model), RowStride apart, as are all that products read.
    Rows q, k, v;   // (rows, inner), without gaps.
    Rows attended;  // (rows, inner)
    Rows inner;     // (rows, d_ff): the feed-forward layer's.
  };
  View Take(int64_t rows);

 private:
  Activations() = default;
  int64_t max_rows_ = 0, d_model_ = 0, inner_ = 0, d_ff_ = 0;
  Buffer buffer_;
};

// The layers' arithmetic over a batch of lanes. Neighbouring lanes that share a tensor or a basis share its product, so
// shared matrices run once over all rows however many lanes there are. Mixes what is mixed on use. Belongs to one
// engine thread.
class LaneMath {
 public:
  LaneMath(const T5Config& config, Backend* backend) : config_(config), backend_(backend) {}

  // Makes room to mix these parameters on the spot. To be called before a pass uses weights that are not mixed yet.
  // ResourceExhausted when there is none.
  absl::Status Reserve(const Parameters& parameters);

  using MatrixOf = absl::FunctionRef<const WeightMatrix&(const T5Weights&)>;
  using AttentionOf = absl::FunctionRef<const AttentionWeights&(const T5Weights&)>;
  using FeedForwardOf = absl::FunctionRef<const FeedForwardWeights&(const T5Weights&)>;
  using GainOf = absl::FunctionRef<const float*(const T5Weights&)>;

  void MatMul(const LaneBatch& batch, Rows x, MatrixOf matrix, Rows y, Accumulate mode);
  // From a.normed to a.q, a.k and a.v (or the last two), in one product per lane.
  void QueryKeyValue(const LaneBatch& batch, const Activations::View& a, AttentionOf of);
  void KeyValue(const LaneBatch& batch, const Activations::View& a, AttentionOf of);
  void Norm(const LaneBatch& batch, Rows x, GainOf gain, Rows y);
  // hidden += FeedForward(norm(hidden)), with the weights `of` picks.
  void FeedForward(const LaneBatch& batch, const Activations::View& a, FeedForwardOf of);
  void Embed(const LaneBatch& batch, std::span<const int32_t> ids, Rows out);
  // Mixes for good what of `matrices` is mixed on use and was not yet.
  void Settle(const T5Weights& weights, std::initializer_list<const WeightMatrix*> matrices);

  Backend* backend() const { return backend_; }
  const T5Config& config() const { return config_; }

 private:
  // What to multiply the rows of a lane by; mixes it where need be, for one use into *spot, which moves on.
  Operand OperandOf(const LaneBatch& batch, const T5Weights& weights, const WeightMatrix& matrix, std::byte** spot);
  void MixNow(const T5Weights& weights, const WeightMatrix& matrix, std::byte* place);

  const T5Config config_;
  Backend* const backend_;
  Buffer scratch_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_LANES_H_
