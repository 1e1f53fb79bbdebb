#include "trainer/adafactor.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/safetensors.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

// As in tests/oracle/make_adafactor_goldens.py.
constexpr int kSteps = 12;
constexpr double kLearningRate = 1e-2;
const std::vector<std::pair<std::string, std::vector<int64_t>>> kShapes = {{"wide", {128, 160}},   {"tall", {200, 130}},
                                                                           {"square", {128, 128}}, {"small", {24, 130}},
                                                                           {"vector", {64}},       {"zero", {32, 8}}};

torch::Tensor Wave(const std::vector<int64_t>& shape, double phase, double scale) {
  torch::Tensor wave = torch::empty(shape);
  float* values = wave.data_ptr<float>();
  for (int64_t n = 0; n < wave.numel(); ++n) {
    values[n] =
        static_cast<float>(scale * std::sin(0.7 * n + phase) * (1.0 + 0.5 * std::cos(0.013 * n * (phase + 1.0))));
  }
  return wave;
}

std::vector<NamedParameter> Start() {
  std::vector<NamedParameter> parameters;
  for (size_t i = 0; i < kShapes.size(); ++i) {
    const auto& [name, shape] = kShapes[i];
    parameters.push_back({name, Wave(shape, 0.1 * i, name == "zero" ? 0.0 : 0.5)});
  }
  return parameters;
}

std::vector<torch::Tensor> Gradients(int step) {
  const double scale = std::pow(10.0, (step * 5) % 7 - 3);
  std::vector<torch::Tensor> gradients;
  for (size_t i = 0; i < kShapes.size(); ++i) gradients.push_back(Wave(kShapes[i].second, 0.3 * i + 1.7 * step, scale));
  return gradients;
}

TEST(AdafactorTest, FollowsTheTrajectoryOfOptax) {
  ASSERT_OK_AND_ASSIGN(const Safetensors golden,
                       Safetensors::Open(TRIMTAB_SOURCE_DIR "/tests/trainer/testdata/adafactor.safetensors"));
  const std::vector<NamedParameter> parameters = Start();
  Adafactor optimizer(parameters);
  int compared = 0;
  for (int step = 0; step < kSteps; ++step) {
    optimizer.Step(Gradients(step), kLearningRate);
    for (const auto& [name, value] : parameters) {
      const Tensor* stored = golden.Find(absl::StrCat(step, ".", name));
      if (stored == nullptr) continue;
      std::vector<float> expected(stored->elements());
      ASSERT_OK(ToFloat32(*stored, name, expected));
      const int64_t stride = value.numel() > 1000 ? 97 : 1;
      for (size_t i = 0; i < expected.size(); ++i) {
        const float found = value.data_ptr<float>()[i * stride];
        ASSERT_NEAR(found, expected[i], 1e-5 * std::max(1.0f, std::abs(expected[i])))
            << step << " " << name << " " << i;
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, 18);
}

TEST(AdafactorTest, ContinuesBitForBitFromASavedState) {
  std::vector<NamedParameter> whole = Start();
  Adafactor uninterrupted(whole);
  for (int step = 0; step < 6; ++step) uninterrupted.Step(Gradients(step), kLearningRate);

  std::vector<NamedParameter> parted = Start();
  NamedTensors state;
  {
    Adafactor first(parted);
    for (int step = 0; step < 3; ++step) first.Step(Gradients(step), kLearningRate);
    for (const auto& [name, tensor] : first.State()) state[name] = tensor.clone();
  }
  Adafactor second(parted);
  ASSERT_OK(second.Restore(state));
  for (int step = 3; step < 6; ++step) second.Step(Gradients(step), kLearningRate);
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(torch::equal(whole[i].value, parted[i].value));
}

TEST(AdafactorTest, RefusesTheStateOfOtherParameters) {
  Adafactor optimizer(Start());
  NamedTensors state = optimizer.State();
  state.erase("wide/row");
  EXPECT_THAT(optimizer.Restore(state), StatusIs(absl::StatusCode::kInvalidArgument));
  state["wide/row"] = torch::zeros({3});
  EXPECT_THAT(optimizer.Restore(state), StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("wide/row")));
}

TEST(AdafactorTest, AParameterWithoutAGradientStaysWithItsMoments) {
  std::vector<NamedParameter> parameters = {{"a", torch::ones({4})}, {"b", torch::ones({4})}};
  Adafactor optimizer(parameters);
  optimizer.Step(std::vector<torch::Tensor>{torch::ones({4}), torch::Tensor()}, 0.1);
  EXPECT_FALSE(torch::equal(parameters[0].value, torch::ones({4})));
  EXPECT_TRUE(torch::equal(parameters[1].value, torch::ones({4})));
  EXPECT_EQ(optimizer.State().at("b/step").item<float>(), 0.0f);
}

}  // namespace
}  // namespace trimtab
