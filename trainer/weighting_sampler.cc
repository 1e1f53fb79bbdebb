#include "trainer/weighting_sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {

absl::StatusOr<WeightingSampler> WeightingSampler::Create(const ClpConfig& clp, SamplingRule rule) {
  const size_t rewards = clp.rewards.size();
  if (rewards == 0) return absl::InvalidArgumentError("the checkpoint has no rewards; expected one to train for");
  if (rule.dirichlet.size() == 1) rule.dirichlet.resize(rewards, rule.dirichlet[0]);
  const bool positive = std::all_of(rule.dirichlet.begin(), rule.dirichlet.end(), [](double c) { return c > 0.0; });
  if (rule.dirichlet.size() != rewards || !positive) {
    return absl::InvalidArgumentError(absl::StrCat("dirichlet has ", rule.dirichlet.size(),
                                                   " numbers; expected one, or one for each of ", rewards,
                                                   " rewards, each above 0"));
  }
  if (clp.mixing.kind == MixingKind::kFixed) rule.fixed_alpha = clp.mixing.alpha_min;
  const std::vector<double> uniform(rewards, 1.0 / static_cast<double>(rewards));
  RETURN_IF_ERROR(Weighting::Create(clp.mixing, static_cast<int>(rewards), rule.fixed_alpha.value_or(1.0),
                                    rule.fixed_w.empty() ? uniform : rule.fixed_w)
                      .status());
  return WeightingSampler(clp, std::move(rule));
}

double WeightingSampler::SampleAlpha(std::mt19937_64& random) const {
  if (rule_.fixed_alpha.has_value()) return *rule_.fixed_alpha;
  const double u = std::uniform_real_distribution<double>(0.0, 1.0)(random);
  if (mixing_.kind == MixingKind::kLinear) return mixing_.alpha_min + (1.0 - mixing_.alpha_min) * u;
  return std::clamp(AlphaOfShare(mixing_, u), mixing_.alpha_min, 1.0);
}

// Gamma draws divided by their sum. One that underflows to nothing everywhere is drawn again.
std::vector<double> WeightingSampler::SampleW(uint64_t step, std::mt19937_64& random) const {
  if (!rule_.fixed_w.empty()) return rule_.fixed_w;
  std::vector<double> w(rewards_);
  if (rule_.vertices) {
    w[step % rewards_] = 1.0;
    return w;
  }
  double sum = 0.0;
  while (!(sum > 0.0)) {
    for (int i = 0; i < rewards_; ++i) w[i] = std::gamma_distribution<double>(rule_.dirichlet[i], 1.0)(random);
    sum = std::accumulate(w.begin(), w.end(), 0.0);
  }
  for (double& weight : w) weight /= sum;
  return w;
}

Weighting WeightingSampler::Sample(uint64_t step, std::mt19937_64& random) const {
  const double alpha = SampleAlpha(random);
  return *Weighting::Create(mixing_, rewards_, alpha, SampleW(step, random));
}

}  // namespace trimtab
