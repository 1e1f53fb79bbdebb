// Q: which (alpha, w) a batch is trained on (paper A.4).
#ifndef TRIMTAB_TRAINER_WEIGHTING_SAMPLER_H_
#define TRIMTAB_TRAINER_WEIGHTING_SAMPLER_H_

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/weighting.h"

namespace trimtab {

// Each of alpha and w is fixed or drawn; both drawn is joint sampling (eq. 2).
struct SamplingRule {
  std::vector<double> dirichlet = {1.0};  // Concentration of w: one number for every reward, or one each. > 0.
  std::vector<double> fixed_w;            // Not empty: w is this.
  bool vertices = false;                  // W goes round the vertices, a step each: Rewarded Soups.
  std::optional<double> fixed_alpha;      // Alpha is this. A checkpoint trained at one alpha needs none.
};

// Immutable; thread-safe.
class WeightingSampler {
 public:
  // InvalidArgument for a rule that does not fit the rewards and the mixing of `clp`.
  static absl::StatusOr<WeightingSampler> Create(const ClpConfig& clp, SamplingRule rule);

  // w ~ Dirichlet; alpha = f_mix^-1(U), which makes beta uniform (softmdp), or uniform on [alpha_min, 1] (linear).
  // `step` matters to what goes round.
  Weighting Sample(uint64_t step, std::mt19937_64& random) const;

 private:
  WeightingSampler(const ClpConfig& clp, SamplingRule rule)
      : mixing_(clp.mixing), rewards_(static_cast<int>(clp.rewards.size())), rule_(std::move(rule)) {}
  double SampleAlpha(std::mt19937_64& random) const;
  std::vector<double> SampleW(uint64_t step, std::mt19937_64& random) const;

  MixingRule mixing_;
  int rewards_;
  SamplingRule rule_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_WEIGHTING_SAMPLER_H_
