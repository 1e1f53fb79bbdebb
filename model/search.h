#ifndef TRIMTAB_MODEL_SEARCH_H_
#define TRIMTAB_MODEL_SEARCH_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/choice.h"
#include "model/generation.h"
#include "model/t5_config.h"

namespace trimtab {

// Decides what one request writes next. Host arithmetic only, no clock, no shared state, so the same logits always give
// the same text. Not thread-safe.
class Search {
 public:
  // A hypothesis to run through the decoder. `parent` is the row of the previous step whose past it continues.
  struct Row {
    int32_t token = 0;
    int32_t parent = 0;
  };

  virtual ~Search() = default;

  // What to feed the decoder next; one start token at first. Never more than options.num_beams. Empty when done.
  std::span<const Row> rows() const { return rows_; }
  bool done() const { return rows_.empty(); }

  // Tokens settled so far: grows by one a step for greedy and sampling; always empty for beams, which speak in Take().
  virtual std::span<const int32_t> settled() const = 0;

  // REQUIRES: done(). Call once.
  virtual Generation Take() = 0;

 protected:
  std::vector<Row> rows_;
};

// One hypothesis, one token at a time: the likeliest, or drawn. Tokens come by rule, so the logits may stay on a
// device.
class TokenSearch : public Search {
 public:
  // How the token after `guesses` is chosen, were they written next, from that row of logits; and what is forbidden
  // there.
  virtual TokenRule RuleAfter(std::span<const int32_t> guesses, int64_t row,
                              std::vector<ForbiddenToken>* forbidden) const = 0;
  // Moves on by the token that RuleAfter({}) chose.
  virtual void Write(const ChosenToken& chosen) = 0;
};

class BeamSearch : public Search {
 public:
  // Candidates of each row that it looks at.
  virtual int32_t candidates() const = 0;
  // How the candidates after rows()[hypothesis] are chosen, from that row of logits; and what is forbidden there.
  virtual TokenRule RuleAfter(size_t hypothesis, int64_t row, std::vector<ForbiddenToken>* forbidden) const = 0;
  // Moves on by one token, given those of all rows, candidates() each.
  virtual void Advance(std::span<const ChosenToken> chosen) = 0;
};

// Greedy or sampling. REQUIRES: ValidateGenerationOptions(options) is OK.
std::unique_ptr<TokenSearch> NewTokenSearch(const GenerationOptions& options, const T5Config& config);

// The search by beams of Hugging Face's generate() with early_stopping=False: 2 * beams candidates a step, finished
// hypotheses scored by sum / length^penalty, stop when the best running one can no longer enter. Likewise.
std::unique_ptr<BeamSearch> NewBeamSearch(const GenerationOptions& options, const T5Config& config);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_SEARCH_H_
