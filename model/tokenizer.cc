#include "model/tokenizer.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/sentencepiece_bridge.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // What an incomplete byte sequence decodes to.
// The library takes some 80 bytes of memory for each byte it encodes at once.
constexpr size_t kStretchBytes = 16 << 10;

bool IsBetweenWords(absl::string_view text, size_t i) {
  return text[i] == ' ' && absl::ascii_isgraph(text[i - 1]) && absl::ascii_isalnum(text[i + 1]);
}

// Takes so much off the front of `text` as is encoded at once. Words are independent of each other, so a stretch ends
// at the last space between two; a space at the front of a text is no part of it, and goes. What has no such space is
// no text that people write, and is cut between code points.
absl::string_view TakeStretch(absl::string_view* text) {
  size_t end = text->size(), next = end;
  if (end > kStretchBytes) {
    for (end = kStretchBytes; end > 1 && !IsBetweenWords(*text, end - 1);) --end;
    next = end--;
    if (end == 0) {
      for (end = kStretchBytes; (static_cast<uint8_t>((*text)[end]) & 0xc0) == 0x80;) --end;
      next = end;
    }
  }
  const absl::string_view stretch = text->substr(0, end);
  text->remove_prefix(next);
  return stretch;
}

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
  const size_t room = static_cast<size_t>(max_tokens) - 1;
  std::vector<int32_t> ids;
  while (!text.empty() && ids.size() <= room) {
    ASSIGN_OR_RETURN(const std::vector<int> more, impl_->library.Encode(TakeStretch(&text)));
    ids.insert(ids.end(), more.begin(), more.end());
  }
  if (truncated != nullptr) *truncated = ids.size() > room;
  if (ids.size() > room) ids.resize(room);
  ids.push_back(eos_id);
  return ids;
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
