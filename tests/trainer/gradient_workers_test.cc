#include "trainer/gradient_workers.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ShareOutTest, TheCostliestGoFirstAndEachToWhoHasLeast) {
  const auto shares = ShareOut(std::vector<size_t>{5, 1, 4, 3, 2}, 2);
  EXPECT_THAT(shares, ElementsAre(ElementsAre(0, 4, 1), ElementsAre(2, 3)));
}

TEST(ShareOutTest, SharesWithoutAJobStayEmpty) {
  EXPECT_THAT(ShareOut(std::vector<size_t>{7}, 3), ElementsAre(ElementsAre(0), IsEmpty(), IsEmpty()));
  EXPECT_THAT(ShareOut({}, 1), ElementsAre(IsEmpty()));
}

class GradientWorkersTest : public testing::Test {
 protected:
  static constexpr int kJobs = 7;

  GradientWorkersTest() {
    torch::manual_seed(1);
    for (int job = 0; job < kJobs; ++job) inputs_.push_back(torch::randn({3, 8}));
    weights_["moving"] = torch::randn({5, 8}).set_requires_grad(true);
    weights_["fixed"] = torch::randn({5});
    weights_["unused"] = torch::ones({2}).set_requires_grad(true);
  }

  // The gradient of "moving" over all jobs.
  torch::Tensor Gather(int threads) {
    GradientWorkers workers(threads);
    workers.Gather(weights_, std::vector<size_t>{1, 2, 3, 4, 5, 6, 7}, [this](size_t job, const NamedTensors& leaves) {
      const torch::Tensor out = torch::linear(inputs_[job], leaves.at("moving"), leaves.at("fixed"));
      out.tanh().sum().backward();
    });
    return std::exchange(weights_.at("moving").mutable_grad(), torch::Tensor());
  }

  std::vector<torch::Tensor> inputs_;
  NamedTensors weights_;
};

TEST_F(GradientWorkersTest, TheSumIsThatOfOneThreadAndHasTheSameBitsEveryTime) {
  const torch::Tensor one = Gather(1), three = Gather(3);
  EXPECT_TRUE(torch::allclose(one, three, 1e-5, 1e-6));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(torch::equal(Gather(3), three));
}

TEST_F(GradientWorkersTest, WhatGathersNothingHasNoGradient) {
  Gather(2);
  EXPECT_FALSE(weights_.at("fixed").grad().defined());
  EXPECT_FALSE(weights_.at("unused").grad().defined());
}

}  // namespace
}  // namespace trimtab
