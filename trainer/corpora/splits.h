#ifndef TRIMTAB_TRAINER_CORPORA_SPLITS_H_
#define TRIMTAB_TRAINER_CORPORA_SPLITS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "trainer/corpora/corpus.h"

namespace trimtab {

// Shares of the families; the rest is for training.
struct SplitShares {
  double valid = 0.05;
  double test = 0.05;
};

struct Splits {
  std::vector<Example> train, valid, test;
};

// Where an example goes depends on the hash of its family alone: the same on every machine, whatever else the corpus
// holds, and a corpus that grows moves nothing. REQUIRES: shares are not negative, and at most 1 together.
Splits SplitByFamily(std::vector<Example> examples, const SplitShares& shares = {});

// train.jsonl, valid.jsonl and test.jsonl in `directory`, which is made where it is missing.
absl::Status WriteSplits(const Splits& splits, const std::string& directory);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_SPLITS_H_
