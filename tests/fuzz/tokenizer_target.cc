// Any text in, any ids out, with the tokenizer of the tests.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "model/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr int32_t kEos = 1;
constexpr int32_t kVocabulary = 208;

const Tokenizer& TinyTokenizer() {
  static const auto* const tokenizer = [] {
    std::ifstream file(TRIMTAB_SOURCE_DIR "/tests/testing/tiny.spiece.model", std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    auto created = Tokenizer::Create(bytes, kVocabulary);
    FUZZ_CHECK(created.ok());
    return created->release();
  }();
  return *tokenizer;
}

// Length of the well-formed UTF-8 sequence at the front; 0 for another.
size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  if (byte(0) < 0x80) return 1;
  if (byte(0) >= 0xc2 && byte(0) < 0xe0) return follows(1) ? 2 : 0;
  if ((byte(0) & 0xf0) == 0xe0) {
    const bool overlong = byte(0) == 0xe0 && byte(1) < 0xa0, surrogate = byte(0) == 0xed && byte(1) >= 0xa0;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (byte(0) < 0xf0 || byte(0) > 0xf4) return 0;
  const bool overlong = byte(0) == 0xf0 && byte(1) < 0x90, beyond = byte(0) == 0xf4 && byte(1) >= 0x90;
  return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void CheckEncode(absl::string_view text, int32_t max_tokens) {
  bool truncated = false, never = false;
  const auto all = TinyTokenizer().Encode(text, kEos, 1 << 20, &never);
  const auto ids = TinyTokenizer().Encode(text, kEos, max_tokens, &truncated);
  FUZZ_CHECK(all.ok() && ids.ok() && !never);
  FUZZ_CHECK(ids->back() == kEos && ids->size() <= static_cast<size_t>(max_tokens));
  FUZZ_CHECK(truncated == (all->size() > ids->size()));
  FUZZ_CHECK(std::equal(ids->begin(), ids->end() - 1, all->begin()));
  for (const int32_t id : *ids) FUZZ_CHECK(id >= 0 && id < TinyTokenizer().num_pieces());
}

void CheckDecode(const std::vector<int32_t>& ids) {
  const std::string whole = TinyTokenizer().Decode(ids);
  FUZZ_CHECK(IsUtf8(whole));
  StreamingDecoder decoder(&TinyTokenizer());
  std::string pieces;
  for (const int32_t id : ids) {
    const std::string piece = decoder.Push(id);
    FUZZ_CHECK(IsUtf8(piece));
    pieces += piece;
  }
  FUZZ_CHECK(pieces + decoder.Finish() == whole);
}

FUZZ_TARGET(tokenizer) {
  Choices choices(input);
  const int32_t max_tokens = 1 + choices.Byte();
  const absl::string_view text = choices.Rest();
  if (IsUtf8(text)) CheckEncode(text, max_tokens);
  std::vector<int32_t> ids;
  for (const char byte : text.substr(0, 64)) ids.push_back(static_cast<uint8_t>(byte) - 8);
  CheckDecode(ids);
}

}  // namespace
}  // namespace trimtab
