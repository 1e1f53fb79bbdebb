// The parts of trimtab bench that know no network.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <vector>

#include "absl/time/clock.h"
#include "client/load/draws.h"
#include "client/load/drive.h"
#include "client/load/report.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<double> Gaps(double rate, uint64_t seed, int count) {
  PoissonArrivals arrivals(rate, seed);
  std::vector<double> gaps;
  double last = 0.0;
  for (int i = 0; i < count; ++i) {
    const double now = absl::ToDoubleSeconds(arrivals.Next());
    gaps.push_back(now - last);
    last = now;
  }
  return gaps;
}

TEST(PoissonArrivalsTest, GapsHaveTheMeanAndTheSpreadOfAnExponential) {
  constexpr int kCount = 20000;
  const std::vector<double> gaps = Gaps(50.0, 7, kCount);
  const double mean = std::accumulate(gaps.begin(), gaps.end(), 0.0) / kCount;
  EXPECT_THAT(mean, DoubleNear(0.02, 0.0006));
  const auto longer = std::count_if(gaps.begin(), gaps.end(), [&](double gap) { return gap > 2 * mean; });
  EXPECT_THAT(static_cast<double>(longer) / kCount, DoubleNear(0.1353, 0.01)) << "exp(-2)";
}

TEST(PoissonArrivalsTest, ASeedRepeatsThem) {
  EXPECT_EQ(Gaps(10, 1, 100), Gaps(10, 1, 100));
  EXPECT_NE(Gaps(10, 1, 100), Gaps(10, 2, 100));
}

TEST(ZipfRanksTest, RankNIsDrawnByItsShare) {
  std::mt19937_64 random(3);
  const ZipfRanks ranks(3, 1.0);
  std::vector<double> share(3);
  for (int i = 0; i < 30000; ++i) share.at(ranks.Draw(random)) += 1.0 / 30000;
  EXPECT_THAT(share, ElementsAre(DoubleNear(6.0 / 11, 0.02), DoubleNear(3.0 / 11, 0.02), DoubleNear(2.0 / 11, 0.02)));
}

TEST(ZipfRanksTest, ExponentZeroIsUniform) {
  std::mt19937_64 random(3);
  const ZipfRanks ranks(4, 0.0);
  std::vector<int> drawn(4);
  for (int i = 0; i < 4000; ++i) ++drawn.at(ranks.Draw(random));
  EXPECT_THAT(drawn, testing::Each(testing::AllOf(testing::Gt(850), testing::Lt(1150))));
}

TEST(SimplexPointsTest, EachSumsToOneAndTheyDiffer) {
  const auto points = SimplexPoints(100, 3, 5);
  ASSERT_EQ(points.size(), 100u);
  for (const std::vector<double>& point : points) {
    EXPECT_THAT(std::accumulate(point.begin(), point.end(), 0.0), DoubleNear(1.0, 1e-12));
    EXPECT_THAT(point, testing::Each(testing::Ge(0.0)));
  }
  EXPECT_NE(points[0], points[1]);
  EXPECT_EQ(points, SimplexPoints(100, 3, 5));
}

TEST(QuantilesTest, AreSamplesByNearestRank) {
  std::vector<double> samples(1000);
  std::iota(samples.rbegin(), samples.rend(), 1.0);
  const Quantiles q = QuantilesOf(samples);
  EXPECT_EQ(q.count, 1000u);
  EXPECT_EQ(q.p50, 500);
  EXPECT_EQ(q.p90, 900);
  EXPECT_EQ(q.p99, 990);
  EXPECT_EQ(q.p999, 999);
  EXPECT_EQ(q.max, 1000);
  EXPECT_EQ(QuantilesOf({}).max, 0);
  EXPECT_EQ(QuantilesOf({4.0}).p999, 4.0);
}

LoadSample Sample(double due, double sent, double done, absl::Status status = absl::OkStatus()) {
  return {.due = absl::Seconds(due),
          .sent = absl::Seconds(sent),
          .done = absl::Seconds(done),
          .outcome = {.status = std::move(status), .output_tokens = 5, .cache = v1::CACHE_OUTCOME_HIT}};
}

TEST(ReportTest, LatencyCountsFromWhenARequestWasDueAndTheWarmUpIsLeftOut) {
  LoadPlan plan;
  plan.warmup = absl::Seconds(1);
  plan.duration = absl::Seconds(2);
  LoadRun run{.started = absl::UnixEpoch(), .samples = {}};
  run.samples.push_back(Sample(0.5, 0.5, 0.9));  // Of the warm-up.
  run.samples.push_back(Sample(0.8, 0.8, 1.5));  // The same, but its reply came in the measured time.
  run.samples.push_back(Sample(1.0, 1.25, 2.0));
  run.samples.push_back(Sample(2.0, 2.0, 9.0));  // Its reply came after the measured time.
  run.samples.push_back(Sample(2.0, 2.0, 2.125, absl::ResourceExhaustedError("full")));
  run.samples.push_back(Sample(2.0, 2.0, 2.5, absl::DeadlineExceededError("late")));
  run.samples[2].outcome.first_text = absl::UnixEpoch() + absl::Seconds(1.5);
  const LoadReport report = ReportOf(plan, run);
  EXPECT_EQ(report.requests, 4u);
  EXPECT_EQ(report.goodput, 1.0);
  EXPECT_EQ(report.output_tokens, 5.0);
  EXPECT_THAT(report.replies_by_second, ElementsAre(1, 1));
  EXPECT_EQ(report.codes.at("OK"), 2u);
  EXPECT_EQ(report.codes.at("RESOURCE_EXHAUSTED"), 1u);
  EXPECT_EQ(report.codes.at("DEADLINE_EXCEEDED"), 1u);
  EXPECT_EQ(report.cache.at("hit"), 2u);
  EXPECT_EQ(report.latency.p50, 1.0);
  EXPECT_EQ(report.latency.max, 7.0);
  EXPECT_EQ(report.first_token.max, 0.5);
  EXPECT_EQ(report.per_token.max, 0.125);
  EXPECT_EQ(report.refusal.count, 1u);
  EXPECT_EQ(report.refusal.max, 0.125);
  EXPECT_EQ(report.ended.count, 4u);
  EXPECT_EQ(report.lateness.max, 0.25);
  EXPECT_THAT(TextOf(report), testing::AllOf(HasSubstr("RESOURCE_EXHAUSTED 1"), HasSubstr("p99.9 7000.0")));
  EXPECT_EQ(nlohmann::json::parse(JsonOf(report))["latency"]["p99.9"], 7.0);
  EXPECT_TRUE(FaultIn(run).ok());
  run.samples.push_back(Sample(2.0, 2.0, 2.5, absl::InvalidArgumentError("bad")));
  EXPECT_EQ(FaultIn(run).code(), absl::StatusCode::kInvalidArgument);
}

TEST(DriveTest, AClosedLoopHasAtMostItsCallersAtWorkAndSendsWhatWasAsked) {
  LoadPlan plan;
  plan.callers = 4;
  plan.requests = 200;
  std::atomic<int> at_work = 0, most = 0;
  const LoadRun run = Drive(plan, [&](uint64_t) {
    most = std::max<int>(most, ++at_work);
    --at_work;
    return CallOutcome();
  });
  EXPECT_EQ(run.samples.size(), 200u);
  EXPECT_LE(most, 4);
}

TEST(DriveTest, InAnOpenLoopACallThatHangsMakesLaterOnesLateNotFewer) {
  LoadPlan plan;
  plan.rate = 1000;
  plan.callers = 1;
  plan.duration = absl::Milliseconds(100);
  const LoadRun run = Drive(plan, [](uint64_t index) {
    if (index == 0) absl::SleepFor(absl::Milliseconds(150));
    return CallOutcome();
  });
  EXPECT_GT(run.samples.size(), 60u) << "as many as were due, although only one could be at work";
  PoissonArrivals arrivals(plan.rate, plan.seed);
  for (const LoadSample& sample : run.samples) {
    EXPECT_EQ(sample.due, arrivals.Next());
    EXPECT_GE(sample.sent, sample.due);
  }
  EXPECT_GE(run.samples.back().sent, absl::Milliseconds(150));
}

}  // namespace
}  // namespace trimtab
