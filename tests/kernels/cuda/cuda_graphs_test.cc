// A step starts as a graph and computes what its operations compute one by one.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/choice.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/graphs.h"
#include "kernels/cuda/staging.h"
#include "tests/cuda_emulation/device_memory.h"
#include "tests/cuda_emulation/graph.h"
#include "tests/kernels/cuda/device_rows.h"
#include "tests/kernels/product_cases.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

using cuda_emulation::CountGraphs;
using cuda_emulation::GraphCounts;

constexpr int64_t kDim = 40, kVocab = 30, kMostRows = 20;

class CudaGraphsTest : public testing::Test {
 protected:
  // Rows of an embedding, normed and multiplied: so many rows, by matrix 0 or 1.
  struct Step {
    int64_t rows = 4;
    int matrix = 0;
    int32_t first_id = 0;
    int products = 1;
  };

  void Ask(const Step& step) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < step.rows; ++i) ids.push_back(static_cast<int32_t>((step.first_id + i) % kVocab));
    const float* const set = embedding_.data();
    const Rows x{x_.data(), step.rows, kDim}, y{y_.data(), step.rows, kDim};
    backend_->Embed({&set, 1}, std::vector<float>{1.0f}, kDim, ids, x);
    backend_->RmsNorm(x, kDim, gain_.data(), 1e-6f, x);
    for (int i = 0; i < step.products; ++i) {
      const Product product{matrices_[step.matrix].get(), y, i == 0 ? Accumulate::kStore : Accumulate::kAdd};
      backend_->MatMul(x, {&product, 1});
    }
  }
  std::vector<float> Output(const Step& step) {
    const float* const host = backend_->OnHost(y_.data(), step.rows * kDim);
    return {host, host + step.rows * kDim};
  }
  std::vector<float> OneByOne(const Step& step) {
    Ask(step);
    return Output(step);
  }
  std::vector<float> AsStep(const Step& step) {
    backend_->BeginStep();
    Ask(step);
    backend_->EndStep();
    return Output(step);
  }
  // Since the last call.
  GraphCounts Counts() {
    const GraphCounts now = CountGraphs(), before = std::exchange(before_, now);
    return {now.instantiated - before.instantiated, now.changed_nodes - before.changed_nodes,
            now.launched - before.launched, now.kernels_alone - before.kernels_alone};
  }

  std::unique_ptr<Backend> backend_ = NewCudaBackend(0).value();
  DeviceRows embedding_{*backend_, RandomFloats(kVocab* kDim, 1), kDim};
  DeviceRows gain_{*backend_, RandomFloats(kDim, 2), kDim};
  DeviceRows x_{*backend_, std::vector<float>(kMostRows* kDim), kDim};
  DeviceRows y_{*backend_, std::vector<float>(kMostRows* kDim), kDim};
  PackedCopy matrices_[2] = {{*backend_, RandomFloats(kDim* kDim, 3), kDim, kDim, Precision::kFloat32},
                             {*backend_, RandomFloats(kDim* kDim, 4), kDim, kDim, Precision::kFloat32}};
  GraphCounts before_ = CountGraphs();
};

TEST_F(CudaGraphsTest, AStepThatComesAgainIsOneGraphWithTheBitsOfItsOperationsAlone) {
  const Step step;
  const std::vector<float> alone = OneByOne(step);
  Counts();
  EXPECT_EQ(AsStep(step), alone);
  GraphCounts counts = Counts();
  EXPECT_EQ(counts.kernels_alone, 4);
  EXPECT_EQ(counts.launched, 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(AsStep(step), alone);
    counts = Counts();
    EXPECT_EQ(counts.kernels_alone, 0);
    EXPECT_EQ(counts.launched, 1);
    EXPECT_EQ(counts.instantiated, i == 0);
    EXPECT_EQ(counts.changed_nodes, 0);
  }
  EXPECT_EQ(OneByOne(step), alone);
  EXPECT_EQ(Counts().launched, 0) << "no step";
}

TEST_F(CudaGraphsTest, OtherIdsWeightsAndRowsAreTheSameGraph) {
  const std::vector<Step> steps = {{}, {}, {.first_id = 9}, {.matrix = 1}, {.rows = 7}, {.rows = 1, .matrix = 1}, {}};
  std::vector<std::vector<float>> alone;
  for (const Step& step : steps) alone.push_back(OneByOne(step));
  Counts();
  for (size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(AsStep(steps[i]), alone[i]) << i;
  const GraphCounts counts = Counts();
  EXPECT_EQ(counts.instantiated, 1);
  EXPECT_EQ(counts.launched, static_cast<int64_t>(steps.size()) - 1);
  EXPECT_EQ(AsStep({.first_id = 5}), OneByOne({.first_id = 5}));
  EXPECT_EQ(Counts().changed_nodes, 0) << "ids come by a table, not by the nodes";
}

// Two steps are asked for before anybody waits: the second must not reach into the first.
TEST_F(CudaGraphsTest, AStepIsNotChangedByTheNextOne) {
  const Step first{.first_id = 3}, second{.rows = 3, .matrix = 1, .first_id = 11};
  const std::vector<float> alone = OneByOne(first), alone_second = OneByOne(second);
  for (int i = 0; i < 3; ++i) {
    DeviceRows kept(*backend_, std::vector<float>(first.rows * kDim), kDim);
    backend_->BeginStep();
    Ask(first);
    backend_->EndStep();
    backend_->Copy(y_.data(), first.rows * kDim, kept.data());
    backend_->BeginStep();
    Ask(second);
    backend_->EndStep();
    EXPECT_EQ(Output(second), alone_second);
    EXPECT_EQ(kept.values(), alone);
  }
}

TEST_F(CudaGraphsTest, OtherKernelsAreAnotherGraph) {
  const Step one, two{.products = 2}, many_rows{.rows = 17};
  for (int i = 0; i < 3; ++i) {
    for (const Step& step : {one, two, many_rows}) EXPECT_EQ(AsStep(step), OneByOne(step));
  }
  EXPECT_EQ(Counts().instantiated, 3);
}

TEST_F(CudaGraphsTest, WhoReadsOrCopiesInTheMiddleGetsWhatWasAskedForBefore) {
  const Step step, other{.matrix = 1};
  const std::vector<float> alone = OneByOne(step), alone_other = OneByOne(other);
  for (int i = 0; i < 3; ++i) {
    DeviceRows copy(*backend_, std::vector<float>(step.rows * kDim), kDim);
    backend_->BeginStep();
    Ask(step);
    EXPECT_EQ(Output(step), alone);
    Ask(other);
    backend_->Copy(y_.data(), step.rows * kDim, copy.data());
    Ask(step);
    backend_->EndStep();
    EXPECT_EQ(Output(step), alone);
    EXPECT_EQ(copy.values(), alone_other);
  }
}

TEST_F(CudaGraphsTest, WithoutMemoryForAGraphKernelsStartOneByOne) {
  const Step step;
  const std::vector<float> alone = OneByOne(step);
  const size_t had = cuda_emulation::DeviceMemory();
  cuda_emulation::SetDeviceMemory(cuda_emulation::DeviceMemoryInUse());
  const int64_t refused = cuda_emulation::DeviceMemoryRefusals();
  Counts();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(AsStep(step), alone);
  EXPECT_EQ(cuda_emulation::DeviceMemoryRefusals() - refused, 1) << "making a graph in vain takes time";
  cuda_emulation::SetDeviceMemory(had);
  const GraphCounts counts = Counts();
  EXPECT_EQ(counts.instantiated, 0);
  EXPECT_EQ(counts.kernels_alone, 12);
}

TEST_F(CudaGraphsTest, AStepWithMoreTablesThanFitIsWhole) {
  const auto vocab = static_cast<int32_t>(3 * cuda::Staging::kBytes / sizeof(float*) / 2);
  for (const int32_t left : {1, vocab / 2, vocab - 1}) {  // All others are forbidden.
    DeviceRows logits(*backend_, std::vector<float>(vocab, 1.0f), vocab);
    std::vector<ForbiddenToken> forbidden;
    for (int32_t id = 0; id < vocab; ++id) {
      if (id != left) forbidden.push_back({0, id});
    }
    const TokenRule rule;
    ChosenToken chosen;
    backend_->BeginStep();
    ChooseTokens(*backend_, logits.rows(), vocab, {&rule, 1}, forbidden, {&chosen, 1});
    backend_->EndStep();
    EXPECT_EQ(chosen.id, left);
  }
}

TEST_F(CudaGraphsTest, OnlyTheLastGraphsAreKept) {
  const size_t in_use = cuda_emulation::DeviceMemoryInUse();
  const auto ask = [&](int number) {  // Its binary digits, one kernel or another.
    const Rows x{x_.data(), 1, kDim}, y{y_.data(), 1, kDim};
    backend_->BeginStep();
    for (int digit = 1; digit <= number; digit *= 2) {
      if ((number & digit) != 0) {
        backend_->RmsNorm(x, kDim, gain_.data(), 1e-6f, y);
      } else {
        backend_->Scatter(x, kDim, std::vector<float*>{y_.data()});
      }
    }
    backend_->EndStep();
  };
  const int most = static_cast<int>(cuda::Graphs::kMost);
  for (int number = 1; number <= most + 8; ++number) {
    ask(number);
    ask(number);
  }
  EXPECT_EQ(Counts().instantiated, most + 8);
  const size_t of_graphs = cuda_emulation::DeviceMemoryInUse() - in_use;
  EXPECT_EQ(of_graphs % most, 0u);
  ask(most + 8);
  EXPECT_EQ(Counts().instantiated, 0);
  ask(1);
  ask(1);
  EXPECT_EQ(Counts().instantiated, 1);
  EXPECT_EQ(cuda_emulation::DeviceMemoryInUse() - in_use, of_graphs);
}

}  // namespace
}  // namespace trimtab
