#ifndef TRIMTAB_MODEL_DRAFTER_H_
#define TRIMTAB_MODEL_DRAFTER_H_

#include <cstdint>
#include <span>

namespace trimtab {

// Summaries copy from their article: guesses the next tokens as what followed, in the article, the last tokens written.
// The decoder then runs the guesses as rows of the same step, and those that the model itself would have written are
// kept; so the text never changes, only the number of steps.
//
// Drafts where they pay: their length grows while they are accepted, and after each one that was all wrong the drafter
// rests twice as long as before. Not thread-safe.
class Drafter {
 public:
  // No more than `max_tokens` a draft; 0 drafts never. The article's tokens, EOS included, must outlive the drafter.
  Drafter(std::span<const int32_t> article, int32_t max_tokens) : article_(article), max_tokens_(max_tokens) {}

  // At most `room` tokens to try after `written`; often none. Call once a step.
  std::span<const int32_t> Propose(std::span<const int32_t> written, int32_t room);

  // What became of the last proposal, if it was not empty.
  void Learn(int32_t proposed, int32_t accepted);

 private:
  const std::span<const int32_t> article_;
  const int32_t max_tokens_;
  int32_t length_ = 3;   // Of the next draft.
  int32_t rest_ = 0;     // Steps left without drafts.
  int32_t penalty_ = 1;  // The next rest.
};

// The longest stretch of `article` after the last place where at least two, at most four, of the last tokens of
// `written` occur in it; the more of them, the better the place. Stops before the article's last token (EOS). Empty
// when there is none.
std::span<const int32_t> WhatFollowed(std::span<const int32_t> article, std::span<const int32_t> written);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_DRAFTER_H_
