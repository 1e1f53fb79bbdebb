// spiece.model: what passes our check must not harm the library behind it.
#include <vector>

#include "model/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr int32_t kVocabulary = 1 << 20;
constexpr int32_t kEos = 1;

FUZZ_TARGET(sentencepiece) {
  CheckMessage(CheckSentencePieceModel(input));
  const auto tokenizer = Tokenizer::Create(input, kVocabulary);
  CheckMessage(tokenizer.status());
  if (!tokenizer.ok()) return;
  for (const char* text :
       {"", "a", "The summary, (shorter) than \xC3\xA9t\xC3\xA9 \xEF\xAC\x81", "\xF0\x9F\x98\x80 </s>"}) {
    const auto ids = (*tokenizer)->Encode(text, kEos, 64, nullptr);
    if (!ids.ok()) continue;
    FUZZ_CHECK(!ids->empty() && ids->back() == kEos);
    (*tokenizer)->Decode(*ids);
  }
}

}  // namespace
}  // namespace trimtab
