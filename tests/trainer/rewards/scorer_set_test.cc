#include "trainer/rewards/scorer_set.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/rewards/rouge_scorer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/rewards/written.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

// The length of a summary.
class Length final : public RewardScorer {
 public:
  explicit Length(std::string name) : names_({std::move(name)}) {}
  const std::vector<std::string>& names() const override { return names_; }
  bool needs_reference() const override { return false; }
  absl::StatusOr<std::vector<std::vector<double>>> ScoreAll(std::span<const ScoredText> texts) const override {
    std::vector<std::vector<double>> scores;
    for (const ScoredText& text : texts) scores.push_back({static_cast<double>(text.summary.size())});
    return scores;
  }

 private:
  const std::vector<std::string> names_;
};

ScorerSet LengthAndRouge() {
  std::vector<std::unique_ptr<RewardScorer>> scorers;
  scorers.push_back(std::make_unique<Length>("length"));
  scorers.push_back(std::make_unique<RougeScorer>());
  return *ScorerSet::Of(std::move(scorers));
}

TEST(ScorerSetTest, WithoutReferencesOnlyScoresThatNeedNoneAreGiven) {
  const ScorerSet set = LengthAndRouge();
  std::vector<ScoredText> texts = {{"a", "four", "four"}, {"a", "sixsix", "other"}};
  ASSERT_OK_AND_ASSIGN(const auto scores, set.ScoreAll(texts));
  EXPECT_EQ(scores[0].at("length"), 4.0);
  EXPECT_EQ(scores[0].at("rouge_lsum"), 100.0);
  EXPECT_EQ(scores[1].at("rouge_lsum"), 0.0);
  for (ScoredText& text : texts) text.reference = "";
  ASSERT_OK_AND_ASSIGN(const auto without, set.ScoreAll(texts));
  EXPECT_THAT(without[0], UnorderedElementsAre(Key("length")));
}

TEST(ScorerSetTest, TwoSourcesOfOneScoreAreRefused) {
  std::vector<std::unique_ptr<RewardScorer>> scorers;
  scorers.push_back(std::make_unique<Length>("length"));
  scorers.push_back(std::make_unique<Length>("length"));
  EXPECT_THAT(ScorerSet::Of(std::move(scorers)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("two sources give the score length")));
}

TEST(WrittenTest, EveryWeightingWritesEveryExampleAndIsScored) {
  TempDir model;
  ASSERT_OK(MakeTinyClp(model.path()));
  const std::vector<Example> examples = {{"a", "text of sails", "sails", "a"}, {"b", "another text", "text", "b"}};
  std::vector<v1::Steering> steerings(2);
  steerings[0].set_alpha(1.0);
  v1::GenerationOptions generation;
  generation.set_max_new_tokens(8);
  ASSERT_OK_AND_ASSIGN(const auto written, WriteAndScore({.model = model.path(), .threads = 1}, examples, steerings,
                                                         generation, LengthAndRouge()));
  ASSERT_EQ(written.size(), 2u);
  EXPECT_EQ(written[0].weighting.alpha(), 1.0);
  EXPECT_EQ(written[1].weighting.alpha(), 0.1);
  for (const Written& each : written) {
    ASSERT_EQ(each.summaries.size(), 2u);
    ASSERT_EQ(each.scores.size(), 2u);
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(each.scores[i].at("length"), each.summaries[i].size());
    EXPECT_EQ(each.Means().at("length"), (each.scores[0].at("length") + each.scores[1].at("length")) / 2);
  }
}

}  // namespace
}  // namespace trimtab
