#include "model/rewards/grounding.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;

constexpr char kArticle[] = "Foo 2.4 is a library for fast sorting. It has bindings for Python.";

TEST(GroundingTest, WhatTheArticleSaysIsWhollyGrounded) {
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "library for fast sorting"), 1.0);
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "Libraries, for FAST sorts"), 1.0);  // Case, stops and endings do not count.
}

TEST(GroundingTest, AWrongNumberOrNameCostsItsWordAndItsPairs) {
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "bindings for Python"), 1.0);
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "bindings for Ruby"), 0.5 * (2.0 / 3 + 1.0 / 2));
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "Foo 2.5 is"), 0.5 * (3.0 / 4 + 1.0 / 3));
}

TEST(GroundingTest, WordsInDisorderAndRepeatedOnesLoseTheirPairs) {
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "sorting fast for library"), 0.5);
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "library library library"), 0.5);
}

TEST(GroundingTest, OneWordIsHalfGroundedAtMostAndNoneNotAtAll) {
  EXPECT_DOUBLE_EQ(Grounding(kArticle, "library"), 0.5);
  EXPECT_DOUBLE_EQ(Grounding(kArticle, " -- "), 0.0);
  EXPECT_DOUBLE_EQ(Grounding("", "library for"), 0.0);
}

TEST(GroundingScorerTest, GivesPercentAndNeedsNoReference) {
  const GroundingScorer scorer;
  EXPECT_THAT(scorer.names(), ElementsAre("grounding"));
  EXPECT_FALSE(scorer.needs_reference());
  const std::vector<ScoredText> texts = {{kArticle, "bindings for Python", ""}, {kArticle, "library", "library"}};
  ASSERT_OK_AND_ASSIGN(const auto scores, scorer.ScoreAll(texts));
  EXPECT_THAT(scores, ElementsAre(ElementsAre(100.0), ElementsAre(50.0)));
}

}  // namespace
}  // namespace trimtab
