#ifndef TRIMTAB_TRAINER_CORPORA_VOCABULARY_H_
#define TRIMTAB_TRAINER_CORPORA_VOCABULARY_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "trainer/corpora/corpus.h"

namespace trimtab {

struct VocabularyOptions {
  int32_t size = 8000;       // Pieces, special ones included. 32 to 65,536.
  double coverage = 0.9995;  // Of all characters by pieces of their own; the others become <unk>. (0.9, 1]
};

// The bytes of a spiece.model: SentencePiece's unigram over documents and summaries, with T5's special ids: <pad> 0,
// </s> 1, <unk> 2, no <s>. Trained in one thread, so that equal examples give equal bytes. InvalidArgument with the
// library's reason, such as too many pieces for so little text. Takes minutes and about 20 times the text's memory.
absl::StatusOr<std::string> TrainVocabulary(std::span<const Example> examples, const VocabularyOptions& options);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_VOCABULARY_H_
