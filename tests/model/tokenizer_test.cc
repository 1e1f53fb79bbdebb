#include "model/tokenizer.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/sentencepiece_bridge.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int32_t kEos = 1;
constexpr int32_t kVocab = 1 << 20;
constexpr int32_t kPlenty = 100000;

std::string SourceFile(const std::string& name) { return absl::StrCat(TRIMTAB_SOURCE_DIR, "/", name); }

std::unique_ptr<Tokenizer> Open(const std::string& name) {
  std::ifstream file(SourceFile(name), std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  auto tokenizer = Tokenizer::Create(bytes.str(), kVocab);
  EXPECT_THAT(tokenizer, IsOk());
  return std::move(tokenizer).value();
}

std::unique_ptr<Tokenizer> Tiny() { return Open("tests/testing/tiny.spiece.model"); }

struct Golden {
  std::string text;
  std::vector<int32_t> ids;
  std::string decoded;
};

std::vector<Golden> Goldens(const std::string& name) {
  std::ifstream file(SourceFile(absl::StrCat("tests/model/testdata/tokenizer/", name, ".tsv")));
  std::vector<Golden> goldens;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    Golden& golden = goldens.emplace_back();
    EXPECT_TRUE(absl::CUnescape(fields.at(0), &golden.text));
    for (absl::string_view id : absl::StrSplit(fields.at(1), ',', absl::SkipEmpty())) {
      golden.ids.push_back(std::stoi(std::string(id)));
    }
    EXPECT_TRUE(absl::CUnescape(fields.at(2), &golden.decoded));
  }
  return goldens;
}

struct Model {
  std::string golden;
  std::string path;
};

class TokenizerGoldenTest : public ::testing::TestWithParam<Model> {};

TEST_P(TokenizerGoldenTest, EncodesAndDecodesAsTheLibraryOfToday) {
  const auto tokenizer = Open(GetParam().path);
  const std::vector<Golden> goldens = Goldens(GetParam().golden);
  ASSERT_GE(goldens.size(), 18u);
  for (const Golden& golden : goldens) {
    bool truncated = true;
    auto ids = tokenizer->Encode(golden.text, kEos, kPlenty, &truncated);
    ASSERT_THAT(ids, IsOk());
    std::vector<int32_t> expected = golden.ids;
    expected.push_back(kEos);
    EXPECT_EQ(*ids, expected) << golden.text;
    EXPECT_FALSE(truncated);
    EXPECT_EQ(tokenizer->Decode(*ids), golden.decoded) << golden.text;
  }
}

TEST_P(TokenizerGoldenTest, StreamedPiecesJoinToTheWholeText) {
  const auto tokenizer = Open(GetParam().path);
  for (const Golden& golden : Goldens(GetParam().golden)) {
    StreamingDecoder decoder(tokenizer.get());
    std::string streamed;
    for (int32_t id : golden.ids) streamed += decoder.Push(id);
    streamed += decoder.Finish();
    EXPECT_EQ(streamed, tokenizer->Decode(golden.ids)) << golden.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TokenizerGoldenTest,
                         ::testing::Values(Model{"tiny", "tests/testing/tiny.spiece.model"},
                                           Model{"pilot", "deploy/models/debian-pilot/spiece.model"}),
                         [](const auto& info) { return info.param.golden; });

TEST(TokenizerTest, CutsLongTextsAndKeepsTheEnd) {
  const auto tokenizer = Tiny();
  bool truncated = false;
  const auto whole = tokenizer->Encode("The captain turns the wheel", kEos, kPlenty, &truncated);
  ASSERT_THAT(whole, IsOk());
  const int32_t length = static_cast<int32_t>(whole->size());

  const auto exact = tokenizer->Encode("The captain turns the wheel", kEos, length, &truncated);
  EXPECT_EQ(*exact, *whole);
  EXPECT_FALSE(truncated);

  const auto cut = tokenizer->Encode("The captain turns the wheel", kEos, length - 1, &truncated);
  EXPECT_TRUE(truncated);
  EXPECT_EQ(cut->size(), static_cast<size_t>(length - 1));
  EXPECT_EQ(cut->back(), kEos);

  EXPECT_THAT(*tokenizer->Encode("The captain", kEos, 1, &truncated), ElementsAre(kEos));
  EXPECT_TRUE(truncated);
}

// What the library itself makes of the whole text, at once.
std::vector<int32_t> AtOnce(const std::string& text) {
  std::ifstream file(SourceFile("tests/testing/tiny.spiece.model"), std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const auto library = SentencePieceBridge::Load(bytes.str());
  EXPECT_THAT(library, IsOk());
  std::vector<int32_t> ids = *library->Encode(text);
  ids.push_back(kEos);
  return ids;
}

TEST(TokenizerTest, LongTextsEncodeAsIfAtOnce) {
  std::string text;
  while (text.size() < 100'000) {
    absl::StrAppend(&text, "The captain  turns, ", text.size(), " times;\n\xC3\xA9t\xC3\xA9 .the \xE2\x82\xAC ");
  }
  bool truncated = true;
  EXPECT_EQ(*Tiny()->Encode(text, kEos, 1 << 20, &truncated), AtOnce(text));
  EXPECT_FALSE(truncated);
}

TEST(TokenizerTest, AWordWithoutEndIsCutBetweenCodePoints) {
  constexpr int32_t kUnknown = 2;
  std::string word;
  for (int i = 0; i < 50'000; ++i) word += "\xE2\x96\x81";  // Of which there is a piece.
  const auto ids = Tiny()->Encode(word, kEos, 1 << 20, nullptr);
  ASSERT_THAT(ids, IsOk());
  EXPECT_THAT(*ids, Not(Contains(kUnknown)));
}

TEST(TokenizerTest, ControlPiecesAndIdsBeyondThePiecesDecodeToNothing) {
  const auto tokenizer = Tiny();
  std::vector<int32_t> ids = *tokenizer->Encode("The captain", kEos, kPlenty, nullptr);
  const std::string text = tokenizer->Decode(ids);
  ids.insert(ids.begin(), {0, 1, -1, tokenizer->num_pieces(), 1 << 30});
  EXPECT_EQ(tokenizer->Decode(ids), text);
  EXPECT_EQ(tokenizer->Decode({}), "");
}

TEST(TokenizerTest, RefusesMorePiecesThanTheModelHasRows) {
  std::ifstream file(SourceFile("tests/testing/tiny.spiece.model"), std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const int32_t pieces = Tiny()->num_pieces();
  EXPECT_THAT(Tokenizer::Create(bytes.str(), pieces), IsOk());
  EXPECT_THAT(Tokenizer::Create(bytes.str(), pieces - 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat("has ", pieces, " pieces"))));
}

}  // namespace
}  // namespace trimtab
