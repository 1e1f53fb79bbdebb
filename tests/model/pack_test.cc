#include "model/pack.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "model/rewards/reward_model.h"
#include "model/rewards/reward_model_config.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class PackTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(MakeTinyClp(In())); }
  // In the folder `owner`.
  void MakeJudge(const std::string& owner) {
    const std::string folder = owner + "/reward_models/r1";
    fs::create_directories(folder);
    ASSERT_OK(MakeTinyT5(folder));
    std::ofstream(folder + "/reward_model.json") << RewardModelConfigToJson({});
  }
  std::string In() const { return dir_.File("in"); }
  std::string Out() const { return dir_.File("out"); }

  const TempDir dir_;
};

std::vector<float> Widened(const Tensor& tensor) {
  std::vector<float> values(tensor.elements());
  EXPECT_OK(ToFloat32(tensor, "tensor", values));
  return values;
}

TEST_F(PackTest, EverySetIsRoundedToBf16) {
  ASSERT_OK(PackCheckpoint(In(), {}, Out()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint before, OpenCheckpoint(In()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint after, OpenCheckpoint(Out()));
  ASSERT_EQ(after.tensors.size(), before.tensors.size());
  for (size_t i = 0; i < after.tensors.size(); ++i) {
    ASSERT_EQ(after.tensors[i].sets.size(), before.tensors[i].sets.size());
    for (size_t set = 0; set < after.tensors[i].sets.size(); ++set) {
      Tensor expected = before.tensors[i].sets[set];
      const std::string rounded = RoundToBf16(expected);
      expected.dtype = DType::kBF16;
      expected.bytes = std::as_bytes(std::span<const char>(rounded.data(), rounded.size()));
      ASSERT_EQ(after.tensors[i].sets[set].dtype, DType::kBF16);
      ASSERT_EQ(Widened(after.tensors[i].sets[set]), Widened(expected)) << after.tensors[i].spec.name;
    }
  }
  EXPECT_EQ(after.digest, after.clp.digest);
}

TEST_F(PackTest, OfTheReferenceOnlyWhatIsConditionedGoesAlong) {
  ASSERT_OK(PackCheckpoint(In(), {}, Out()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  ASSERT_OK_AND_ASSIGN(const Safetensors reference, Safetensors::Open(Out() + "/reference.safetensors"));
  size_t conditioned = 0;
  for (const ModelTensor& tensor : made.tensors) conditioned += tensor.conditioned;
  EXPECT_THAT(reference.tensors(), SizeIs(conditioned));
}

TEST_F(PackTest, ItSaysOfItselfWhatItIsTold) {
  const PackOptions options{
      .name = "news", .default_alpha = 0.5, .presets = {{"first", {0.1, {1, 0}, "as r0 likes it"}}}, .judges = ""};
  ASSERT_OK(PackCheckpoint(In(), options, Out()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  EXPECT_EQ(made.clp.name, "news");
  EXPECT_EQ(made.clp.default_alpha, 0.5);
  EXPECT_THAT(made.clp.presets.at("first").w, ElementsAre(1, 0));
}

TEST_F(PackTest, RewardModelsGoAlongAndStillJudge) {
  MakeJudge(In());
  ASSERT_OK(PackCheckpoint(In(), {}, Out()));
  ASSERT_OK_AND_ASSIGN(const auto judges, LoadRewardModels(Out(), 1));
  ASSERT_THAT(judges, SizeIs(1));
  const ScoredText text{.article = "one two three", .summary = "two", .reference = ""};
  EXPECT_OK(judges[0]->ScoreAll(std::span(&text, 1)).status());
}

TEST_F(PackTest, JudgesMayComeFromElsewhere) {
  MakeJudge(dir_.File("judges"));
  ASSERT_OK(
      PackCheckpoint(In(), {.name = "", .default_alpha = {}, .presets = {}, .judges = dir_.File("judges")}, Out()));
  EXPECT_TRUE(fs::exists(Out() + "/reward_models/r1/model.safetensors"));
}

TEST_F(PackTest, WhatDoesNotFitIsRefusedAndWritesNothing) {
  const PackOptions preset{.name = "", .default_alpha = {}, .presets = {{"short", {0.1, {1}, ""}}}, .judges = ""};
  EXPECT_THAT(PackCheckpoint(In(), preset, Out()), StatusIs(kInvalid, HasSubstr("short")));
  const PackOptions alpha{.name = "", .default_alpha = 2.0, .presets = {}, .judges = ""};
  EXPECT_THAT(PackCheckpoint(In(), alpha, Out()), StatusIs(kInvalid, HasSubstr("default_alpha")));
  EXPECT_FALSE(fs::exists(Out()));
  EXPECT_THAT(PackCheckpoint(In(), {}, In()), StatusIs(kInvalid, HasSubstr("not an empty folder")));
  ASSERT_OK(MakeTinyT5(dir_.File("plain")));
  EXPECT_THAT(PackCheckpoint(dir_.File("plain"), {}, Out()), StatusIs(kInvalid, HasSubstr("has no rewards")));
}

}  // namespace
}  // namespace trimtab
