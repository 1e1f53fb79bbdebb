#ifndef TRIMTAB_MODEL_REWARDS_PORTER_STEMMER_H_
#define TRIMTAB_MODEL_REWARDS_PORTER_STEMMER_H_

#include <string>

#include "absl/strings/string_view.h"

namespace trimtab {

// M. F. Porter's suffix stripping (1980) with the changes of NLTK's default mode, which ROUGE scores are computed with:
// "generously" and "generous" give "gener", "dying" gives "die". `word` holds lower-case ASCII letters and digits;
// digits count as consonants. Pure; linear in the length.
std::string PorterStem(absl::string_view word);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_PORTER_STEMMER_H_
