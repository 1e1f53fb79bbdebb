#ifndef TRIMTAB_MODEL_TOKENIZER_H_
#define TRIMTAB_MODEL_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// Refuses model files that would crash or mislead the SentencePiece library (which predates several fixes): over
// 16 MiB, over 1 M pieces, a piece over 1 KiB or with NUL or empty, a score that is not finite, special ids out of
// range, a normaliser table whose trie or string offsets lead out of bounds. InvalidArgument names the fault.
absl::Status CheckSentencePieceModel(absl::string_view model_bytes);

// SentencePiece behind a pre-check. Immutable; thread-safe.
class Tokenizer {
 public:
  // `vocab_size` is the model's embedding rows: pieces beyond it are refused, fewer pieces are fine (padded
  // vocabularies).
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(absl::string_view model_bytes, int32_t vocab_size);
  ~Tokenizer();

  // Ids of `text` followed by `eos_id`, as T5's encoder expects. At most `max_tokens` ids (>= 1) including EOS: a
  // longer text is cut and *truncated set (may be null). Memory and time do not grow with what is cut off.
  // REQUIRES: valid UTF-8.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text, int32_t eos_id, int32_t max_tokens,
                                              bool* truncated) const;

  // Text of `ids`; control pieces (pad, EOS) and ids beyond the pieces give nothing. Always valid UTF-8.
  std::string Decode(const std::vector<int32_t>& ids) const;

  int32_t num_pieces() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns tokens that arrive one by one into text pieces whose concatenation equals Decode of all of them. Only whole
// UTF-8 code points leave. Not thread-safe.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}
  std::string Push(int32_t token);  // New text, maybe empty.
  std::string Finish();             // What was held back.

 private:
  const Tokenizer* tokenizer_;
  std::vector<int32_t> ids_;
  std::string sent_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_TOKENIZER_H_
