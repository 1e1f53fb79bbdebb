// What the paper compares CLP with is a matter of configuration: which parameters there are, and which of them move.
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/run_config.h"
#include "trainer/run_folder.h"
#include "trainer/run_rewards.h"
#include "trainer/training.h"

namespace trimtab {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;

bool SameBytes(const Tensor& a, const Tensor& b) {
  return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

class BaselinesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(MakeTinyT5(files_.File("start")));
    std::ofstream corpus(files_.File("corpus.jsonl"));
    for (int i = 0; i < 5; ++i) {
      corpus << absl::StrCat(R"({"document": "a tool that does thing )", i, R"(", "summary": "thing )", i, "\"}\n");
    }
    config_.out = files_.File("run");
    config_.start = files_.File("start");
    config_.corpus = files_.File("corpus.jsonl");
    config_.policy.mixing = {MixingKind::kFixed, 0.01};
    config_.rewards = {{.name = "short", .score = "brevity", .range = std::pair(-8.0, 0.0)},
                       {.name = "rouge", .score = "rouge_lsum", .range = std::pair(0.0, 50.0)}};
    config_.batch = 4;
    config_.max_new_tokens = 6;
    config_.learning_rate = 1e-2;
    config_.threads = 1;
  }

  void Begin() {
    ASSERT_OK_AND_ASSIGN(RunFolder folder, RunFolder::Open(config_));
    folder_ = std::make_unique<RunFolder>(std::move(folder));
    ASSERT_OK_AND_ASSIGN(origin_, OpenCheckpoint(folder_->origin()));
    ASSERT_OK_AND_ASSIGN(training_, Training::Create(config_, folder_.get(), BuiltInScorers()));
  }
  StepReport Step() {
    const auto report = training_->Step();
    EXPECT_OK(report);
    return report.value_or(StepReport{});
  }

  // Whether any tensor of reward `set` is another than at the beginning.
  bool Moved(size_t set) const { return AnyMoved(true, set); }
  bool SharedMoved() const { return AnyMoved(false, 0); }

  TempDir files_;
  RunConfig config_;
  std::unique_ptr<RunFolder> folder_;
  Checkpoint origin_;
  std::unique_ptr<Training> training_;

 private:
  bool AnyMoved(bool conditioned, size_t set) const {
    const Checkpoint now = training_->Snapshot();
    for (size_t i = 0; i < now.tensors.size(); ++i) {
      if (now.tensors[i].conditioned != conditioned) continue;
      if (!SameBytes(now.tensors[i].sets[set], origin_.tensors[i].sets[set])) return true;
    }
    return false;
  }
};

TEST_F(BaselinesTest, ASingleObjectiveRunMovesTheSetOfItsRewardAlone) {
  config_.policy.variant = "full";
  config_.sampling.fixed_w = {0.0, 1.0};
  ASSERT_NO_FATAL_FAILURE(Begin());
  for (int i = 0; i < 2; ++i) EXPECT_THAT(Step().w, ElementsAre(0.0, 1.0));
  EXPECT_FALSE(Moved(0));
  EXPECT_TRUE(Moved(1));
}

TEST_F(BaselinesTest, RewardedSoupsAreOneRunForEachRewardWithStepsDividedEvenly) {
  config_.policy.variant = "full";
  config_.sampling.vertices = true;
  ASSERT_NO_FATAL_FAILURE(Begin());
  EXPECT_THAT(Step().w, ElementsAre(1.0, 0.0));
  EXPECT_TRUE(Moved(0));
  EXPECT_FALSE(Moved(1));
  EXPECT_THAT(Step().w, ElementsAre(0.0, 1.0));
  EXPECT_TRUE(Moved(1));
  EXPECT_FALSE(SharedMoved()) << "nothing is shared, so what one reward learns the other does not see";
}

TEST_F(BaselinesTest, PromptingLearnsOneSetOfParametersAndReadsTheWeights) {
  config_.policy.variant = "none";
  config_.policy.prompt_labels = {"short", "rouge"};
  ASSERT_NO_FATAL_FAILURE(Begin());
  ASSERT_TRUE(origin_.clp.prompt_conditioning.has_value());
  for (const ModelTensor& tensor : origin_.tensors) EXPECT_FALSE(tensor.conditioned) << tensor.spec.name;
  const StepReport with_weights = Step();
  EXPECT_TRUE(SharedMoved());
  config_.out = files_.File("plain");
  config_.policy.prompt_labels.clear();
  config_.policy.variant = "attn";
  ASSERT_NO_FATAL_FAILURE(Begin());
  EXPECT_GT(with_weights.read_tokens, Step().read_tokens);
}

TEST_F(BaselinesTest, PromptingAndParametersGoTogether) {
  config_.policy.variant = "attn";
  config_.policy.prompt_labels = {"short", "rouge"};
  ASSERT_NO_FATAL_FAILURE(Begin());
  Step();
  EXPECT_TRUE(Moved(0) && Moved(1) && SharedMoved());
}

TEST_F(BaselinesTest, OneRewardAtManyAlphasMovesItsSetWhereverTheReferenceIsNotAll) {
  config_.policy.mixing = {MixingKind::kSoftmdp, 0.01};
  config_.rewards.resize(1);
  config_.sampling.fixed_alpha = 0.1;
  ASSERT_NO_FATAL_FAILURE(Begin());
  EXPECT_THAT(Step().alpha, DoubleEq(0.1));
  EXPECT_TRUE(Moved(0));
  EXPECT_FALSE(Moved(1)) << "the last set is the reference's";
}

TEST_F(BaselinesTest, AScoreOfTheConfigurationIsKeptInTheCheckpoint) {
  ASSERT_NO_FATAL_FAILURE(Begin());
  EXPECT_EQ(origin_.clp.rewards[0].score, "brevity");
  EXPECT_EQ(origin_.clp.rewards[0].range_low, -8.0);
}

}  // namespace
}  // namespace trimtab
