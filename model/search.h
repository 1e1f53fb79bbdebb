#ifndef TRIMTAB_MODEL_SEARCH_H_
#define TRIMTAB_MODEL_SEARCH_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/generation.h"
#include "model/t5_config.h"

namespace trimtab {

// Decides what one request writes next: logits in, tokens out. Host arithmetic only, no clock, no shared state, so the
// same logits always give the same text. Not thread-safe.
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

  // Takes the logits of rows(), (vocab_size) each and writable, and moves on by one token.
  virtual void Advance(std::span<float* const> logits) = 0;

  // Tokens settled so far: grows by one a step for greedy and sampling, stays empty for beams until done.
  virtual std::span<const int32_t> settled() const = 0;

  // REQUIRES: done(). Call once.
  virtual Generation Take() = 0;

 protected:
  std::vector<Row> rows_;
};

// Greedy or sampling for one beam, beam search otherwise. REQUIRES: ValidateGenerationOptions(options) is OK.
std::unique_ptr<Search> NewSearch(const GenerationOptions& options, const T5Config& config);

// The search by beams of Hugging Face's generate() with early_stopping=False: 2 * beams candidates a step, finished
// hypotheses scored by sum / length^penalty, stop when the best running one can no longer enter.
std::unique_ptr<Search> NewBeamSearch(const GenerationOptions& options, const T5Config& config);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_SEARCH_H_
