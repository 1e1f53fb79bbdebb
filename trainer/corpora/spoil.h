#ifndef TRIMTAB_TRAINER_CORPORA_SPOIL_H_
#define TRIMTAB_TRAINER_CORPORA_SPOIL_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "absl/strings/string_view.h"

namespace trimtab {

// Draws that are the same with every standard library, which its distributions are not.
class Dice {
 public:
  // Equal names and seeds give equal draws.
  Dice(absl::string_view name, uint64_t seed);
  // Below n; the bias of the remainder is below 2^-40. REQUIRES: 0 < n < 2^24.
  size_t Below(size_t n) { return engine_() % n; }

 private:
  std::mt19937_64 engine_;
};

// Each makes one thing wrong in `text`, or gives nothing where it has nothing to spoil. The result always differs.

// One number becomes another of `document`, or has its last digit changed where that has no other.
std::optional<std::string> ChangeNumber(absl::string_view text, absl::string_view document, Dice& dice);
// One name (a word with a capital letter that is not only its text's first) becomes a name of `foreign` that
// `document` does not have.
std::optional<std::string> ChangeName(absl::string_view text, absl::string_view document, absl::string_view foreign,
                                      Dice& dice);
// The first words, at most half of them.
std::optional<std::string> Truncate(absl::string_view text, Dice& dice);
// One to three words in a row appear three times.
std::optional<std::string> Repeat(absl::string_view text, Dice& dice);
std::optional<std::string> Shuffle(absl::string_view text, Dice& dice);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_SPOIL_H_
