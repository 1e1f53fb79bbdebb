#include "model/search.h"

#include <utility>

#include "model/logits.h"

namespace trimtab {
namespace {

// One hypothesis, one token at a time: the likeliest, or drawn.
class TokenSearch final : public Search {
 public:
  TokenSearch(const GenerationOptions& options, const T5Config& config)
      : options_(options), eos_id_(config.eos_id), start_(config.decoder_start_id), vocab_size_(config.vocab_size) {
    rows_ = {{start_, 0}};
    generation_.tokens.reserve(options.max_new_tokens);
    if (options.log_probs) generation_.log_probs.reserve(options.max_new_tokens);
  }

  void Advance(std::span<float* const> logits) override {
    const std::span<float> scores(logits[0], vocab_size_);
    const double log_sum = options_.log_probs ? LogSumExp(scores) : 0.0;
    const int32_t token = Choose(scores);
    if (options_.log_probs) generation_.log_probs.push_back(static_cast<float>(chosen_score_ - log_sum));
    generation_.tokens.push_back(token);
    if (token == eos_id_) generation_.finish_reason = FinishReason::kEos;
    const bool full = static_cast<int32_t>(generation_.tokens.size()) == options_.max_new_tokens;
    if (token == eos_id_ || full) {
      rows_.clear();
    } else {
      rows_[0] = {token, 0};
    }
  }

  std::span<const int32_t> settled() const override { return generation_.tokens; }
  Generation Take() override { return std::move(generation_); }

 private:
  int32_t Choose(std::span<float> scores) {
    MaskForbidden(options_, eos_id_, start_, generation_.tokens, scores);
    const int32_t token =
        options_.temperature > 0.0f ? Sample(options_, generation_.tokens.size(), scores) : ArgMax(scores);
    chosen_score_ = scores[token];
    return token;
  }

  const GenerationOptions options_;
  const int32_t eos_id_, start_, vocab_size_;
  double chosen_score_ = 0.0;
  Generation generation_;
};

}  // namespace

std::unique_ptr<Search> NewSearch(const GenerationOptions& options, const T5Config& config) {
  if (options.num_beams > 1) return NewBeamSearch(options, config);
  return std::make_unique<TokenSearch>(options, config);
}

}  // namespace trimtab
