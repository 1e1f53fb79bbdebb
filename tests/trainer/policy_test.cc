// Algorithm 2 and the spread of its gradients (A.3), for every variant of S.
#include "trainer/policy.h"

#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/published.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/t5.h"

namespace trimtab {
namespace {

const std::vector<std::vector<int32_t>> kInput = {{5, 6, 7, 8, 9, 1}, {20, 21, 1}};
const std::vector<std::vector<int32_t>> kTarget = {{11, 12, 1}, {13, 1}};

class PolicyTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    TinyOptions options;
    options.variant = GetParam();
    ASSERT_OK(MakeTinyClp(folder_.path(), options));
    ASSERT_OK_AND_ASSIGN(checkpoint_, OpenCheckpoint(folder_.path()));
  }

  static torch::Tensor Objective(const Policy& policy, const NamedTensors& mixed) {
    return T5(policy.config()).LogProbs(mixed, PadTokens(kInput, 0), kTarget).sum();
  }
  static double Value(const Policy& policy, std::span<const float> coefficients) {
    const torch::NoGradGuard no_gradients;
    return Objective(policy, policy.Condition(coefficients)).item<double>();
  }

  TempDir folder_;
  Checkpoint checkpoint_;
};

TEST_P(PolicyTest, GradientsAgreeWithFiniteDifferencesAlongRandomDirections) {
  ASSERT_OK_AND_ASSIGN(const Policy policy, Policy::Create(checkpoint_));
  const std::vector<float> coefficients = {0.5f, 0.25f, 0.25f};
  const NamedTensors mixed = policy.Condition(coefficients);
  Objective(policy, mixed).backward();
  const std::vector<torch::Tensor> gradients = policy.SpreadGradients(mixed, coefficients);
  torch::manual_seed(1);
  int compared = 0;
  // One direction a reward set and one for all that is shared: float32 cannot resolve single elements.
  for (const std::string prefix : {"shared/", "rewards/r0/", "rewards/r1/"}) {
    double expected = 0.0;
    std::vector<std::pair<torch::Tensor, torch::Tensor>> directions;
    for (size_t i = 0; i < gradients.size(); ++i) {
      const NamedParameter& parameter = policy.parameters()[i];
      if (parameter.name.rfind(prefix, 0) != 0 || !gradients[i].defined()) continue;
      // Mostly along the gradient, so that the difference stands out from rounding.
      torch::Tensor direction = torch::randn_like(gradients[i]) * gradients[i].norm() / std::sqrt(gradients[i].numel());
      direction += 2.0 * gradients[i];
      expected += (direction * gradients[i]).sum().item<double>();
      directions.emplace_back(parameter.value, direction);
    }
    if (directions.empty()) continue;
    double norm = 0.0;
    for (const auto& [value, direction] : directions) norm += direction.pow(2).sum().item<double>();
    const double step = 1e-2 / std::sqrt(norm);
    for (auto& [value, direction] : directions) value.add_(direction, step);
    const double above = Value(policy, coefficients);
    for (auto& [value, direction] : directions) value.sub_(direction, 2 * step);
    const double below = Value(policy, coefficients);
    for (auto& [value, direction] : directions) value.add_(direction, step);
    EXPECT_NEAR((above - below) / (2 * step) / expected, 1.0, 2e-2) << prefix;
    ++compared;
  }
  EXPECT_GE(compared, GetParam() == "full" ? 2 : 3);
}

TEST_P(PolicyTest, ARewardsSetGetsItsCoefficientTimesTheGradientOfTheLanguageModel) {
  ASSERT_OK_AND_ASSIGN(const Policy policy, Policy::Create(checkpoint_));
  const std::vector<float> coefficients = {0.5f, 0.25f, 0.25f};
  const NamedTensors mixed = policy.Condition(coefficients);
  Objective(policy, mixed).backward();
  const std::vector<torch::Tensor> gradients = policy.SpreadGradients(mixed, coefficients);
  const std::vector<PublishedTensor> places = PublishedTensors(checkpoint_);
  for (size_t i = 0; i < places.size(); ++i) {
    const torch::Tensor language_model = mixed.at(places[i].SpecIn(checkpoint_).name).grad();
    ASSERT_TRUE(language_model.defined());
    const float share = places[i].reward.empty() ? 1.0f : coefficients[places[i].set];
    EXPECT_TRUE(torch::equal(gradients[i], language_model * share)) << policy.parameters()[i].name;
  }
}

TEST_P(PolicyTest, ASetOfWeightZeroGetsNoGradientAtAll) {
  ASSERT_OK_AND_ASSIGN(const Policy policy, Policy::Create(checkpoint_));
  const std::vector<float> coefficients = {0.75f, 0.0f, 0.25f};
  const NamedTensors mixed = policy.Condition(coefficients);
  Objective(policy, mixed).backward();
  const std::vector<torch::Tensor> gradients = policy.SpreadGradients(mixed, coefficients);
  for (size_t i = 0; i < gradients.size(); ++i) {
    EXPECT_EQ(gradients[i].defined(), policy.parameters()[i].name.rfind("rewards/r1/", 0) != 0);
  }
}

TEST_P(PolicyTest, AtAlphaOneOnlySharedTensorsLearn) {
  ASSERT_OK_AND_ASSIGN(const Policy policy, Policy::Create(checkpoint_));
  const std::vector<float> coefficients = {0.0f, 0.0f, 1.0f};
  const NamedTensors mixed = policy.Condition(coefficients);
  for (const ModelTensor& tensor : checkpoint_.tensors) {
    const torch::Tensor& value = mixed.at(tensor.spec.name);
    EXPECT_EQ(value.requires_grad(), !tensor.conditioned) << tensor.spec.name;
    ASSERT_OK_AND_ASSIGN(const torch::Tensor expected, ToTorch(tensor.sets.back(), tensor.spec.name));
    EXPECT_TRUE(torch::equal(value, expected)) << tensor.spec.name;
  }
}

TEST_P(PolicyTest, ASnapshotIsTheCheckpointItStartedFromUntilSomethingMoves) {
  ASSERT_OK_AND_ASSIGN(const Policy policy, Policy::Create(checkpoint_));
  const Checkpoint before = policy.Snapshot(3);
  EXPECT_EQ(before.digest, checkpoint_.digest);
  EXPECT_EQ(before.clp.sequence, 3u);
  policy.parameters()[0].value.add_(1.0);
  EXPECT_NE(policy.Snapshot(4).digest, before.digest);
  EXPECT_EQ(before.digest, ParametersDigest(before.tensors)) << "a snapshot does not move";
}

INSTANTIATE_TEST_SUITE_P(Variants, PolicyTest, testing::Values("full", "attn", "logit"),
                         [](const auto& info) { return info.param; });

TEST(ReferenceWeightsTest, AreTheSharedTensorsJoinedWithTheReferenceSet) {
  TempDir folder;
  ASSERT_OK(MakeTinyClp(folder.path()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.path()));
  ASSERT_OK_AND_ASSIGN(const NamedTensors reference, ReferenceWeights(checkpoint));
  EXPECT_EQ(reference.size(), checkpoint.tensors.size());
  for (const ModelTensor& tensor : checkpoint.tensors) {
    ASSERT_OK_AND_ASSIGN(const torch::Tensor expected, ToTorch(tensor.sets.back(), tensor.spec.name));
    EXPECT_TRUE(torch::equal(reference.at(tensor.spec.name), expected)) << tensor.spec.name;
  }
}

TEST(PatternsTest, AnyListOfTensorsMayBeConditionedSuchAsTheAttentionOfTheFirstLayers) {
  TempDir folder;
  TinyOptions options;
  options.variant = "attn";
  ASSERT_OK(MakeTinyClp(folder.path(), options));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.path()));
  ClpConfig clp = checkpoint.clp;
  clp.variant = "custom";
  clp.patterns = {"encoder.block.0.layer.0.SelfAttention.*"};
  int conditioned = 0;
  for (const ModelTensor& tensor : PlanTensors(checkpoint.config, clp)) conditioned += tensor.conditioned;
  EXPECT_EQ(conditioned, 5) << "q, k, v, o and the bias table";
}

}  // namespace
}  // namespace trimtab
