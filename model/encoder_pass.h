#ifndef TRIMTAB_MODEL_ENCODER_PASS_H_
#define TRIMTAB_MODEL_ENCODER_PASS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/lanes.h"

namespace trimtab {

// The keys and values a decoder reads from one encoded article: for each decoder layer, (length, inner) of each.
class CrossAttention {
 public:
  static absl::StatusOr<std::unique_ptr<CrossAttention>> Create(const T5Config& config, int32_t length,
                                                                Backend* backend);
  static int64_t Elements(const T5Config& config, int32_t length);  // That it allocates.
  int32_t length() const { return length_; }
  float* keys(int32_t layer) { return buffer_.data() + int64_t{2} * layer * plane_; }
  float* values(int32_t layer) { return keys(layer) + plane_; }

 private:
  CrossAttention() = default;
  int32_t length_ = 0;
  int64_t plane_ = 0;
  Buffer buffer_;
};

struct EncoderInput {
  std::span<const int32_t> ids;  // Must outlive the pass.
  const T5Weights* weights = nullptr;
  CrossAttention* cross = nullptr;  // Filled by the pass; as long as `ids`.
};

// One ragged batch of articles on its way through the encoder, half a layer at a time and without padding, so that the
// caller can decode other requests between two halves. Not thread-safe.
class EncoderPass {
 public:
  // Weights that run over the basis are mixed on the spot here. `activations` (at least as many rows as tokens) is used
  // until the pass is done. Inputs with equal weights should be neighbours.
  EncoderPass(LaneMath& math, std::span<const EncoderInput> inputs, Activations* activations);

  int32_t tokens() const { return static_cast<int32_t>(ids_.size()); }
  bool done() const { return stage_ == stages_; }
  // One stage: the attention or the feed-forward half of an encoder layer, or the cross-attention keys and values of
  // one decoder layer. With the latter goes the mixing of the layer for those who will decode, so that no step has to
  // mix a whole decoder. REQUIRES: !done().
  void Advance();

  // The encoder's output (tokens, d_model), valid until `activations` is used again. REQUIRES: done().
  Rows output() const { return a_.normed; }

 private:
  void SelfAttention(int32_t layer);
  void FeedForward(int32_t layer);
  void CrossKeysValues(int32_t layer);
  void SettleDecoder(int32_t layer);

  LaneBatch batch() const { return {lanes_, {}}; }

  LaneMath& math_;
  std::vector<int32_t> ids_;
  std::vector<Lane> lanes_;  // One per input.
  std::vector<EncoderSequence> sequences_;
  std::vector<CrossAttention*> cross_;
  Activations::View a_;
  int32_t stage_ = 0;
  int32_t stages_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_ENCODER_PASS_H_
