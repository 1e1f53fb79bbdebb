#include "model/sentencepiece_bridge.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/deep_bound_module.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr char kModule[] = "libtrimtab_sentencepiece.so";

absl::StatusOr<const TrimtabSentencePiece*> OpenModule() {
  ASSIGN_OR_RETURN(void* const table, OpenDeepBound(kModule, "trimtab_sentencepiece"));
  return reinterpret_cast<TrimtabSentencePieceTable>(table)();
}

void Assign(void* context, const char* text, size_t size) { static_cast<std::string*>(context)->assign(text, size); }

// Both sinks of one call share a context.
struct Output {
  std::vector<int> ids;
  std::string text;
  std::string error;
};

void TakeIds(void* context, const int* ids, size_t count) {
  static_cast<Output*>(context)->ids.assign(ids, ids + count);
}
void TakeText(void* context, const char* text, size_t size) { static_cast<Output*>(context)->text.assign(text, size); }
void TakeError(void* context, const char* text, size_t size) {
  static_cast<Output*>(context)->error.assign(text, size);
}

absl::Status Failure(absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("spiece.model: ", message));
}

}  // namespace

absl::StatusOr<SentencePieceBridge> SentencePieceBridge::Load(absl::string_view model_bytes) {
  static const auto* const module = new absl::StatusOr<const TrimtabSentencePiece*>(OpenModule());
  RETURN_IF_ERROR(module->status());
  std::string error;
  void* model = (**module)->load(model_bytes.data(), model_bytes.size(), &error, Assign);
  if (model == nullptr) return Failure(error);
  return SentencePieceBridge(**module, model);
}

SentencePieceBridge::SentencePieceBridge(SentencePieceBridge&& other) noexcept
    : table_(other.table_), model_(std::exchange(other.model_, nullptr)) {}

SentencePieceBridge::~SentencePieceBridge() {
  if (model_ != nullptr) table_->unload(model_);
}

absl::StatusOr<std::vector<int>> SentencePieceBridge::Encode(absl::string_view text) const {
  Output output;
  if (!table_->encode(model_, text.data(), text.size(), &output, TakeIds, TakeError)) return Failure(output.error);
  return std::move(output.ids);
}

absl::StatusOr<std::string> SentencePieceBridge::Decode(const std::vector<int>& ids) const {
  Output output;
  if (!table_->decode(model_, ids.data(), ids.size(), &output, TakeText, TakeError)) return Failure(output.error);
  return std::move(output.text);
}

}  // namespace trimtab
