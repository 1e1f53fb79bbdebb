#include "client/gateway/live.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(AddMetricsTest, SumsServersAndKeepsTheTrainersRewards) {
  LiveNumbers numbers;
  for (int server = 0; server < 2; ++server) {
    AddMetrics(
        "# HELP trimtab_requests_running Requests in the batch now.\n# TYPE trimtab_requests_running gauge\n"
        "trimtab_requests_running 3\ntrimtab_requests_total{code=\"OK\"} 7\n",
        &numbers);
  }
  AddMetrics(
      "trimtab_trainer_reward{objective=\"brief\"} 0.25\ntrimtab_trainer_reward{objective=\"full\"} -0.5\n"
      "trimtab_trainer_step 12\n",
      &numbers);
  EXPECT_THAT(numbers.metrics, ElementsAre(Pair("requests_running", 6), Pair("trainer_step", 12)));
  EXPECT_THAT(numbers.rewards, ElementsAre(Pair("brief", 0.25), Pair("full", -0.5)));
}

TEST(AddMetricsTest, PassesOverWhatIsNoSeries) {
  LiveNumbers numbers;
  AddMetrics("<html>\ntrimtab_requests_running many\ntrimtab_requests_running\n\n 1\n", &numbers);
  EXPECT_THAT(numbers.metrics, IsEmpty());
}

TEST(LiveTest, WithoutAddressesThereAreNoNumbers) {
  const LiveNumbers numbers = Live("").Now();
  EXPECT_THAT(numbers.metrics, IsEmpty());
  EXPECT_GT(numbers.seconds, 0);
}

}  // namespace
}  // namespace trimtab
