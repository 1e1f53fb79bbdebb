#ifndef TRIMTAB_MODEL_LANES_H_
#define TRIMTAB_MODEL_LANES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kernels/backend.h"
#include "model/t5_config.h"
#include "model/t5_weights.h"

namespace trimtab {

// Consecutive rows of a batch that use one set of weights.
struct Lane {
  const T5Weights* weights = nullptr;
  int64_t begin = 0;
  int64_t count = 0;
};

// The activations of one batch, sized once for its largest.
class Activations {
 public:
  static absl::StatusOr<Activations> Create(const T5Config& config, int64_t max_rows, Backend* backend);

  // Views of the first `rows` rows.
  struct View {
    Rows hidden;    // (rows, d_model): the residual stream.
    Rows normed;    // (rows, d_model)
    Rows q, k, v;   // (rows, inner)
    Rows attended;  // (rows, inner)
    Rows inner;     // (rows, d_ff): the feed-forward layer's.
  };
  View Take(int64_t rows);

 private:
  Activations() = default;
  int64_t max_rows_ = 0, d_model_ = 0, inner_ = 0, d_ff_ = 0;
  Buffer buffer_;
};

// The layers' arithmetic over a batch of lanes. Neighbouring lanes that share a tensor share its product, so shared
// matrices run once over all rows however many lanes there are.
class LaneMath {
 public:
  LaneMath(const T5Config& config, Backend* backend) : config_(config), backend_(backend) {}

  using MatrixOf = absl::FunctionRef<const PackedMatrix&(const T5Weights&)>;
  using AttentionOf = absl::FunctionRef<const AttentionWeights&(const T5Weights&)>;
  using GainOf = absl::FunctionRef<const float*(const T5Weights&)>;

  void MatMul(std::span<const Lane> lanes, Rows x, MatrixOf matrix, Rows y, Accumulate mode) const;
  // From a.normed to a.q, a.k and a.v (or the last two), in one product per lane.
  void QueryKeyValue(std::span<const Lane> lanes, const Activations::View& a, AttentionOf of) const;
  void KeyValue(std::span<const Lane> lanes, const Activations::View& a, AttentionOf of) const;
  void Norm(std::span<const Lane> lanes, Rows x, GainOf gain, Rows y) const;
  // hidden += FeedForward(norm(hidden)), with the weights `of` picks.
  void FeedForward(std::span<const Lane> lanes, const Activations::View& a,
                   absl::FunctionRef<const FeedForwardWeights&(const T5Weights&)> of) const;
  void Embed(std::span<const Lane> lanes, std::span<const int32_t> ids, Rows out) const;

  Backend* backend() const { return backend_; }
  const T5Config& config() const { return config_; }

 private:
  const T5Config config_;
  Backend* const backend_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_LANES_H_
