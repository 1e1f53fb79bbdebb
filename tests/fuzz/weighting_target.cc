// What callers may say about steering, and the coefficients it comes to.
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "model/steering.h"
#include "model/weighting.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr int kMaxRewards = 16;
constexpr int kFinestBits = 20;

// Numbers people and mistakes send, or any at all.
double AnyNumber(Choices& choices) {
  const double known[] = {0.0, 1.0, 0.5, 0.25, 1.0 / 3.0, 0.1, 1e-3, 1.0 + 5e-4, -0.0, -1.0, 1e308, 5e-324};
  const size_t pick = choices.Byte();
  return pick < std::size(known) ? known[pick] : pick < 192 ? (pick - 12) / 180.0 : choices.Double();
}

MixingRule AnyRule(Choices& choices) {
  MixingRule rule;
  rule.kind = static_cast<MixingKind>(choices.Below(3));
  const double alpha_min = AnyNumber(choices);
  const double highest = rule.kind == MixingKind::kSoftmdp ? 0.999 : 1.0;
  if (alpha_min >= 1e-6 && alpha_min <= highest) rule.alpha_min = alpha_min;
  return rule;
}

// REQUIRES: there are rewards.
void CheckCoefficients(const MixingRule& rule, const Weighting& weighting, const CoefficientGrid& grid) {
  const Coefficients coefficients = Coefficients::From(rule, weighting, grid);
  const std::vector<float>& c = coefficients.values();
  const size_t m = weighting.w().size();
  FUZZ_CHECK(c.size() == m + (rule.kind != MixingKind::kFixed));
  double sum = 0.0;
  for (const float value : c) {
    FUZZ_CHECK(value >= 0.0f && value <= 1.0f);
    const double units = std::ldexp(static_cast<double>(value), kFinestBits);
    FUZZ_CHECK(units == std::floor(units));
    sum += value;
  }
  FUZZ_CHECK(sum == 1.0);
  // Each is near what was asked: within its grids.
  const double beta = MixShare(rule, weighting.alpha());
  const double near = std::ldexp(1.0, -grid.w_bits) + std::ldexp(1.0, -grid.beta_bits) + std::ldexp(1.0, -kFinestBits);
  for (size_t i = 0; i < m; ++i) FUZZ_CHECK(std::abs(c[i] - (1.0 - beta) * weighting.w()[i]) <= near);
  FUZZ_CHECK(Coefficients::From(rule, weighting, grid).Key() == coefficients.Key());
}

void CheckWeighting(const MixingRule& rule, const Weighting& weighting, const CoefficientGrid& grid) {
  const std::vector<double>& w = weighting.w();
  FUZZ_CHECK(weighting.alpha() >= rule.alpha_min && weighting.alpha() <= 1.0);
  if (w.empty()) return;
  for (const double entry : w) FUZZ_CHECK(entry >= 0.0 && entry <= 1.0 + 1e-12);
  FUZZ_CHECK(std::abs(std::accumulate(w.begin(), w.end(), 0.0) - 1.0) < 1e-9);
  const double share = MixShare(rule, weighting.alpha());
  FUZZ_CHECK(share >= 0.0 && share <= 1.0);
  FUZZ_CHECK(std::abs(AlphaOfShare(rule, share) - weighting.alpha()) < 1e-6);
  CheckCoefficients(rule, weighting, grid);
}

ClpConfig ConfigOf(const MixingRule& rule, int rewards) {
  ClpConfig clp;
  clp.mixing = rule;
  clp.default_alpha = rewards == 0 ? 1.0 : rule.alpha_min;
  for (int i = 0; i < rewards; ++i) clp.rewards.emplace_back().name = absl::StrCat("r", i);
  return clp;
}

FUZZ_TARGET(weighting) {
  Choices choices(input);
  const MixingRule rule = AnyRule(choices);
  const CoefficientGrid grid{1 + choices.Below(kFinestBits), 1 + choices.Below(kFinestBits)};
  const int rewards = choices.Below(kMaxRewards + 1);
  SteeringAsked asked;
  if (choices.Bit()) asked.alpha = AnyNumber(choices);
  const int by_position = choices.Bit() ? rewards : choices.Below(kMaxRewards + 2);
  for (int i = 0; i < by_position; ++i) asked.weights.push_back(AnyNumber(choices));
  if (choices.Bit() && rewards > 0) {  // All that is left to the last one: on the simplex more often.
    asked.weights.resize(rewards);
    asked.weights.back() = 1.0 - std::accumulate(asked.weights.begin(), asked.weights.end() - 1, 0.0);
  }
  while (!choices.done()) asked.named_weights[choices.Bit() ? "r0" : choices.Text(2)] = AnyNumber(choices);
  const ClpConfig clp = ConfigOf(rule, rewards);
  const absl::StatusOr<Steering> steering = ResolveSteering(clp, grid, asked);
  CheckMessage(steering.status());
  if (steering.ok()) CheckWeighting(rule, steering->weighting, grid);
  const auto direct = Weighting::Create(rule, rewards, asked.alpha.value_or(clp.default_alpha), asked.weights);
  CheckMessage(direct.status());
  if (direct.ok()) CheckWeighting(rule, *direct, grid);
}

}  // namespace
}  // namespace trimtab
