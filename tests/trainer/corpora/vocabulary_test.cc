#include "trainer/corpora/vocabulary.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/tokenizer.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

std::vector<Example> Examples() {
  std::vector<Example> examples;
  for (int i = 0; i < 200; ++i) {
    examples.push_back({absl::StrCat(i),
                        absl::StrCat("The boat number ", i, " trims its sails.\n\nIt is fast in wind."), "fast boat",
                        ""});
  }
  return examples;
}

TEST(VocabularyTest, HasTheSpecialIdsOfT5AndGivesTextsBack) {
  ASSERT_OK_AND_ASSIGN(const std::string model, TrainVocabulary(Examples(), {.size = 48}));
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Create(model, 48));
  EXPECT_EQ(tokenizer->num_pieces(), 48);
  ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer->Encode("fast boat 17", /*eos_id=*/1, 100, nullptr));
  EXPECT_EQ(ids.back(), 1);
  EXPECT_GT(ids.front(), 2);
  EXPECT_EQ(tokenizer->Decode(ids), "fast boat 17");
  EXPECT_EQ(tokenizer->Decode({0, 1}), "");
  ASSERT_OK_AND_ASSIGN(const auto unknown, tokenizer->Encode("\u4e2d", 1, 100, nullptr));
  EXPECT_THAT(unknown, testing::Contains(2));
}

TEST(VocabularyTest, EqualExamplesGiveEqualBytes) {
  ASSERT_OK_AND_ASSIGN(const std::string first, TrainVocabulary(Examples(), {.size = 48}));
  ASSERT_OK_AND_ASSIGN(const std::string second, TrainVocabulary(Examples(), {.size = 48}));
  EXPECT_EQ(first, second);
}

TEST(VocabularyTest, MorePiecesThanTheTextHasAreRefusedWithTheReason) {
  EXPECT_THAT(TrainVocabulary(Examples(), {.size = 8000}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Vocabulary size")));
}

}  // namespace
}  // namespace trimtab
