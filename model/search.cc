#include "model/search.h"

#include <utility>

#include "model/logits.h"

namespace trimtab {
namespace {

class RuledSearch final : public TokenSearch {
 public:
  RuledSearch(const GenerationOptions& options, const T5Config& config)
      : options_(options), eos_id_(config.eos_id), start_(config.decoder_start_id) {
    rows_ = {{start_, 0}};
    generation_.tokens.reserve(options.max_new_tokens);
    if (options.log_probs) generation_.log_probs.reserve(options.max_new_tokens);
  }

  TokenRule RuleAfter(std::span<const int32_t> guesses, int64_t row,
                      std::vector<ForbiddenToken>* forbidden) const override {
    AppendForbidden(options_, eos_id_, start_, generation_.tokens, guesses, row, forbidden);
    return RuleFor(options_, generation_.tokens.size() + guesses.size(), row);
  }

  void Write(const ChosenToken& chosen) override {
    generation_.tokens.push_back(chosen.id);
    if (options_.log_probs) generation_.log_probs.push_back(chosen.log_prob);
    if (chosen.id == eos_id_) generation_.finish_reason = FinishReason::kEos;
    const bool full = static_cast<int32_t>(generation_.tokens.size()) == options_.max_new_tokens;
    if (chosen.id == eos_id_ || full) {
      rows_.clear();
    } else {
      rows_[0] = {chosen.id, 0};
    }
  }

  std::span<const int32_t> settled() const override { return generation_.tokens; }
  Generation Take() override { return std::move(generation_); }

 private:
  const GenerationOptions options_;
  const int32_t eos_id_, start_;
  Generation generation_;
};

}  // namespace

std::unique_ptr<TokenSearch> NewTokenSearch(const GenerationOptions& options, const T5Config& config) {
  return std::make_unique<RuledSearch>(options, config);
}

}  // namespace trimtab
