#include "model/tokenizer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/sentencepiece_bridge.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // What an incomplete byte sequence decodes to.

}  // namespace

struct Tokenizer::Impl {
  SentencePieceBridge library;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Create(absl::string_view model_bytes, int32_t vocab_size) {
  RETURN_IF_ERROR(CheckSentencePieceModel(model_bytes));
  ASSIGN_OR_RETURN(SentencePieceBridge library, SentencePieceBridge::Load(model_bytes));
  if (library.num_pieces() > vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat("spiece.model: has ", library.num_pieces(),
                                                   " pieces; the model's vocab_size is only ", vocab_size));
  }
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::make_unique<Impl>(Impl{std::move(library)})));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(absl::string_view text, int32_t eos_id, int32_t max_tokens,
                                                       bool* truncated) const {
  ASSIGN_OR_RETURN(std::vector<int> ids, impl_->library.Encode(text));
  const size_t room = static_cast<size_t>(max_tokens) - 1;
  if (truncated != nullptr) *truncated = ids.size() > room;
  if (ids.size() > room) ids.resize(room);
  ids.push_back(eos_id);
  return std::vector<int32_t>(ids.begin(), ids.end());
}

std::string Tokenizer::Decode(const std::vector<int32_t>& ids) const {
  std::vector<int> pieces;
  for (int32_t id : ids) {
    if (id >= 0 && id < num_pieces() && !impl_->library.IsControl(id)) pieces.push_back(id);
  }
  return impl_->library.Decode(pieces).value_or("");
}

int32_t Tokenizer::num_pieces() const { return impl_->library.num_pieces(); }

std::string StreamingDecoder::Push(int32_t token) {
  ids_.push_back(token);
  const std::string text = tokenizer_->Decode(ids_);
  absl::string_view stable = text;
  while (absl::ConsumeSuffix(&stable, kReplacement)) {
  }
  if (stable.size() <= sent_.size()) return "";
  std::string fresh(stable.substr(sent_.size()));
  sent_ = std::string(stable);
  return fresh;
}

std::string StreamingDecoder::Finish() {
  const std::string text = tokenizer_->Decode(ids_);
  return text.size() > sent_.size() ? text.substr(sent_.size()) : "";
}

}  // namespace trimtab
