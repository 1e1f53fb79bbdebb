#ifndef TRIMTAB_TRAINER_CORPORA_NEAREST_SUMMARY_H_
#define TRIMTAB_TRAINER_CORPORA_NEAREST_SUMMARY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "trainer/corpora/corpus.h"

namespace trimtab {

// For each example the one of another family whose summary is most like its own: it shares the rarest words (inverse
// document frequency, over the root of the length) and has not the same words. Deterministic; immutable.
class NearestSummaries {
 public:
  // `examples` must outlive this. Memory grows with the words of all summaries.
  explicit NearestSummaries(std::span<const Example> examples);

  // Its index; nothing when no other shares a word that is not in every tenth summary.
  std::optional<size_t> Find(size_t index) const;

 private:
  bool IsWrong(size_t index, size_t candidate) const;

  const std::span<const Example> examples_;
  std::vector<std::vector<int32_t>> words_;    // Of each summary: ids, ascending, each once.
  std::vector<std::vector<int32_t>> holders_;  // Of each word: examples whose summary has it.
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_NEAREST_SUMMARY_H_
