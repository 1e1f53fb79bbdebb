#ifndef TRIMTAB_MODEL_ARTICLE_ENCODER_H_
#define TRIMTAB_MODEL_ARTICLE_ENCODER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/encoder_pass.h"
#include "model/lanes.h"
#include "model/mixed_weights.h"

namespace trimtab {

// One article as one encoder has read it, or is to. Lives as long as somebody decodes from it.
struct EncodedArticle {
  std::vector<int32_t> ids;
  const Parameters* parameters;  // Alive as long as any reader is.
  Coefficients coefficients;
  std::shared_ptr<const MixedWeights> weights;  // Null when done: they are not pinned for longer than they are needed.
  std::unique_ptr<CrossAttention> cross;        // Complete when done.
  bool begun = false;
  bool done = false;
};

// Encodes articles in order of arrival, several in one pass. Whoever asks for an article that another reader still
// holds shares it where the encoder's weights are the same bit for bit: same parameters, and same coefficients unless
// nothing that the encoder or the cross-attention keys and values read is conditioned (logit-CLP). Belongs to one
// engine thread.
class ArticleEncoder {
 public:
  // `max_tokens` of one pass. `math` must outlive the result.
  static absl::StatusOr<std::unique_ptr<ArticleEncoder>> Create(LaneMath& math, int32_t max_tokens);

  // Forgotten, unless a pass with it is under way, when the last holder lets go. ResourceExhausted when memory is
  // short. REQUIRES: 1 to max_tokens ids.
  absl::StatusOr<std::shared_ptr<EncodedArticle>> Add(std::span<const int32_t> ids,
                                                      const std::shared_ptr<const MixedWeights>& weights);

  bool pending() const;  // Something is left to encode.
  // One stage of the pass, which it begins if there is none; says how many tokens the pass has. REQUIRES: pending().
  int32_t Advance();

 private:
  ArticleEncoder(LaneMath& math, int32_t max_tokens, Activations activations)
      : math_(math), max_tokens_(max_tokens), activations_(std::move(activations)) {}

  void BeginPass();

  LaneMath& math_;
  const int32_t max_tokens_;
  Activations activations_;
  std::vector<std::weak_ptr<EncodedArticle>> articles_;  // In order of arrival.
  std::unique_ptr<EncoderPass> pass_;
  std::vector<std::shared_ptr<EncodedArticle>> in_pass_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_ARTICLE_ENCODER_H_
