#ifndef TRIMTAB_MODEL_SENTENCEPIECE_BRIDGE_H_
#define TRIMTAB_MODEL_SENTENCEPIECE_BRIDGE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/sentencepiece_module.h"

namespace trimtab {

// One SentencePiece model, through the module (see sentencepiece_module.h). Immutable; thread-safe.
class SentencePieceBridge {
 public:
  // InvalidArgument with the library's message; FailedPrecondition when the module is not where the program looks.
  static absl::StatusOr<SentencePieceBridge> Load(absl::string_view model_bytes);
  SentencePieceBridge(SentencePieceBridge&& other) noexcept;
  ~SentencePieceBridge();

  absl::StatusOr<std::vector<int>> Encode(absl::string_view text) const;
  absl::StatusOr<std::string> Decode(const std::vector<int>& ids) const;
  int num_pieces() const { return table_->num_pieces(model_); }
  bool IsControl(int id) const { return table_->is_control(model_, id); }  // REQUIRES: 0 <= id < num_pieces().

 private:
  SentencePieceBridge(const TrimtabSentencePiece* table, void* model) : table_(table), model_(model) {}
  const TrimtabSentencePiece* table_;
  void* model_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_SENTENCEPIECE_BRIDGE_H_
