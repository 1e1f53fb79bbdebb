#include "trainer/corpora/vocabulary.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/deep_bound_module.h"
#include "model/status_macros.h"
#include "model/tokenizer.h"
#include "trainer/corpora/sentencepiece_trainer_module.h"

namespace trimtab {
namespace {

constexpr char kModule[] = "libtrimtab_sentencepiece_trainer.so";

struct Output {
  std::string model;
  std::string error;
};

void TakeModel(void* context, const char* data, size_t size) {
  static_cast<Output*>(context)->model.assign(data, size);
}
void TakeError(void* context, const char* data, size_t size) {
  static_cast<Output*>(context)->error.assign(data, size);
}

void AddLines(absl::string_view text, std::vector<TrimtabBytes>* lines) {
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    lines->push_back({line.data(), line.size()});
  }
}

std::string Flags(const VocabularyOptions& options) {
  return absl::StrCat("--model_type=unigram --vocab_size=", options.size, " --character_coverage=", options.coverage,
                      " --pad_id=0 --eos_id=1 --unk_id=2 --bos_id=-1 --max_sentence_length=1048576",
                      " --num_threads=1 --minloglevel=3");
}

}  // namespace

absl::StatusOr<std::string> TrainVocabulary(std::span<const Example> examples, const VocabularyOptions& options) {
  ASSIGN_OR_RETURN(void* const symbol, OpenDeepBound(kModule, "trimtab_train_sentencepiece"));
  const auto train = reinterpret_cast<TrimtabTrainSentencePiece>(symbol);
  std::vector<TrimtabBytes> lines;
  for (const Example& example : examples) {
    AddLines(example.document, &lines);
    AddLines(example.summary, &lines);
  }
  Output output;
  if (!train(Flags(options).c_str(), lines.data(), lines.size(), &output, TakeModel, TakeError)) {
    return absl::InvalidArgumentError(absl::StrCat("the vocabulary cannot be trained: ", output.error));
  }
  RETURN_IF_ERROR(CheckSentencePieceModel(output.model));
  return std::move(output.model);
}

}  // namespace trimtab
