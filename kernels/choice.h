// Which token each row of logits writes next: the likeliest, or one drawn.
#ifndef TRIMTAB_KERNELS_CHOICE_H_
#define TRIMTAB_KERNELS_CHOICE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/backend.h"

namespace trimtab {

// How the token of one row is chosen: the likeliest one, or drawn from softmax(row / temperature) cut by top_k, then
// top_p. Ties go to the smaller id.
struct TokenRule {
  int64_t row = 0;           // Of the logits.
  uint64_t random = 0;       // What to draw, out of 2^64 equally likely.
  float temperature = 0.0f;  // 0: the likeliest.
  float top_p = 1.0f;        // The smallest set of likeliest tokens that has so much of the mass that top_k left.
  int32_t top_k = 0;         // So many of the likeliest; 0: all.
  int32_t count = 1;         // Of tokens; more only at temperature 0: so many of the likeliest, the likeliest first.
  bool log_prob = false;     // Report it.
};

// Row `row` of the logits is to become sum_j coefficients[j] * logits.row(row + j), added in this order.
struct RowMix {
  int64_t row = 0;
  std::span<const float> coefficients;
};

// A token that may not be written in a row.
struct ForbiddenToken {
  int64_t row = 0;
  int32_t id = 0;
};

struct ChosenToken {
  int32_t id = 0;
  float log_prob = 0.0f;  // Under softmax(row), before anything is forbidden or cut. 0 unless asked for.
};

inline constexpr size_t kMaxChosenTokens = 16384;  // At once.

// A backend that chooses where its logits are, so that they need not come to the host.
class TokenChooser {
 public:
  virtual ~TokenChooser() = default;
  virtual void MixRows(Rows logits, int64_t vocab_size, std::span<const RowMix> mixes) = 0;
  virtual void ChooseTokens(Rows logits, int64_t vocab_size, std::span<const TokenRule> rules,
                            std::span<const ForbiddenToken> forbidden, std::span<ChosenToken> chosen) = 0;
};

// Mixes rows, on the backend if it can, for its engine thread; the same bits on every backend, given the same logits.
// REQUIRES: coefficients are not empty; no two mixes share a row.
void MixRows(Backend& backend, Rows logits, int64_t vocab_size, std::span<const RowMix> mixes);

// What the rules choose, one after the other. Likewise the same tokens on every backend; log-probabilities to the last
// bits. Overwrites forbidden logits.
// REQUIRES: the rules' counts, at most vocab_size each, add up to chosen.size() <= kMaxChosenTokens; a rule per row at
// most; `forbidden` comes in the order of the rules; vocab_size <= 2^24; no logit is NaN.
void ChooseTokens(Backend& backend, Rows logits, int64_t vocab_size, std::span<const TokenRule> rules,
                  std::span<const ForbiddenToken> forbidden, std::span<ChosenToken> chosen);
// The same for logits in host memory.
void ChooseTokensOnHost(Rows logits, int64_t vocab_size, std::span<const TokenRule> rules,
                        std::span<const ForbiddenToken> forbidden, std::span<ChosenToken> chosen);

// --- what they are made of, on one row ---

// The first of the largest.
int32_t ArgMax(std::span<const float> scores);

// log(sum(exp(scores))), in double: scores[i] minus this is the log-probability of i.
double LogSumExp(std::span<const float> scores);

// REQUIRES: rule.temperature > 0.
int32_t DrawToken(const TokenRule& rule, std::span<const float> scores);

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_CHOICE_H_
