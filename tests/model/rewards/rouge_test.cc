// ROUGE and its stemmer against rouge_score of PyPI: tests/oracle/make_rouge_goldens.py.
#include "model/rewards/rouge.h"

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/rewards/porter_stemmer.h"
#include "model/rewards/rouge_scorer.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;

std::vector<std::vector<std::string>> Rows(const std::string& name) {
  std::ifstream file(absl::StrCat(TRIMTAB_SOURCE_DIR, "/tests/model/testdata/rouge/", name));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(absl::StrSplit(line, '\t'));
  return rows;
}

std::string Unescaped(const std::string& text) {
  std::string out;
  EXPECT_TRUE(absl::CUnescape(text, &out));
  return out;
}

void ExpectScore(const RougeScore& score, const std::vector<std::string>& row, size_t first) {
  const double expected[] = {std::stod(row[first]), std::stod(row[first + 1]), std::stod(row[first + 2])};
  EXPECT_DOUBLE_EQ(score.precision, expected[0]) << row[0] << " / " << row[1] << " column " << first;
  EXPECT_DOUBLE_EQ(score.recall, expected[1]) << row[0] << " / " << row[1] << " column " << first;
  EXPECT_DOUBLE_EQ(score.f1, expected[2]) << row[0] << " / " << row[1] << " column " << first;
}

TEST(PorterStemTest, GivesTheStemsOfNltk) {
  const auto rows = Rows("stems.tsv");
  ASSERT_GT(rows.size(), 2000u);
  for (const auto& row : rows) EXPECT_EQ(PorterStem(row.at(0)), row.at(1)) << row[0];
}

TEST(PorterStemTest, TakesLongWordsInTimeThatGrowsWithTheirLength) {
  const std::string word(1 << 16, 'y');
  EXPECT_EQ(PorterStem(word).size(), word.size());
}

TEST(RougeTest, GivesTheScoresOfRougeScore) {
  const auto rows = Rows("scores.tsv");
  ASSERT_GT(rows.size(), 20u);
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 14u);
    const std::string reference = Unescaped(row[0]), summary = Unescaped(row[1]);
    ExpectScore(RougeN(reference, summary, 1), row, 2);
    ExpectScore(RougeN(reference, summary, 2), row, 5);
    ExpectScore(RougeL(reference, summary), row, 8);
    ExpectScore(RougeLsum(reference, summary), row, 11);
  }
}

TEST(RougeTest, WordsAreLowerCaseAndStemmedWhenLongerThanThreeLetters) {
  EXPECT_THAT(RougeWords("Trimming the SAILS, yes; was it caf\u00e9s?"),
              ElementsAre("trim", "the", "sail", "yes", "was", "it", "caf", "s"));
}

TEST(RougeScorerTest, GivesF1PrecisionAndRecallInPercent) {
  const RougeScorer scorer;
  EXPECT_THAT(scorer.names(), ElementsAre("rouge_lsum", "rouge_lsum_precision", "rouge_lsum_recall"));
  EXPECT_TRUE(scorer.needs_reference());
  const ScoredText text{.article = "", .summary = "the cat", .reference = "the dog and the cat sat"};
  ASSERT_OK_AND_ASSIGN(const auto scores, scorer.ScoreAll({&text, 1}));
  EXPECT_THAT(scores.at(0),
              ElementsAre(testing::DoubleEq(50.0), testing::DoubleEq(100.0), testing::DoubleNear(33.33, 0.01)));
}

}  // namespace
}  // namespace trimtab
