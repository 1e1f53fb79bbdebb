// From what a caller asks for, (alpha, w), to what the weights depend on: the coefficients (paper eq. 3 and 4).
#ifndef TRIMTAB_MODEL_WEIGHTING_H_
#define TRIMTAB_MODEL_WEIGHTING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// How alpha turns into the share beta of the reference set.
//   kSoftmdp: beta = (alpha - alpha_min) / (alpha (1 - alpha_min))   (eq. 4); beta(alpha_min) = 0, beta(1) = 1
//   kLinear:  beta = alpha; never reaches 0, so its vertices are not theta^(i)
//   kFixed:   the checkpoint was trained at one alpha: beta = 0 and there is no reference set
enum class MixingKind { kSoftmdp, kLinear, kFixed };

// "softmdp", "linear", "fixed": as clp.json and GetModelInfo say it.
absl::string_view MixingKindName(MixingKind kind);
std::optional<MixingKind> ParseMixingKind(absl::string_view name);

struct MixingRule {
  MixingKind kind = MixingKind::kSoftmdp;
  double alpha_min = 0.01;  // In (0, 1]; at 1 every alpha is 1 and beta is 1. For kFixed: the one alpha.
};

// The share of the reference set. REQUIRES: alpha in [rule.alpha_min, 1], or equal to it for kFixed.
double MixShare(const MixingRule& rule, double alpha);
// The alpha of which it is the share. REQUIRES: share in [0, 1] and at least MixShare(rule, rule.alpha_min).
double AlphaOfShare(const MixingRule& rule, double share);

// A valid (alpha, w): w lies on the simplex, alpha in [alpha_min, 1]. Immutable value.
class Weighting {
 public:
  // `w` has one entry per reward of the checkpoint; |sum - 1| <= 1e-3 is normalised.
  // InvalidArgument, naming "alpha", "weights" or "weights[i]" first (the request field at fault), on NaN,
  // infinity, a negative entry, a wrong length or sum, or alpha outside [alpha_min, 1].
  // With num_rewards 0, w must be empty and alpha 1.
  static absl::StatusOr<Weighting> Create(const MixingRule& rule, int num_rewards, double alpha, std::vector<double> w);

  double alpha() const { return alpha_; }
  const std::vector<double>& w() const { return w_; }

 private:
  Weighting(double alpha, std::vector<double> w) : alpha_(alpha), w_(std::move(w)) {}
  double alpha_;
  std::vector<double> w_;
};

// Dyadic grids the coefficients snap to, as negative powers of two: 20 means multiples of 2^-20. Range [1, 20].
// Coarser grids give more cache hits; float32 holds every multiple exactly.
struct CoefficientGrid {
  int w_bits = 20;
  int beta_bits = 20;
};

// c = ((1 - beta) w_1, ..., (1 - beta) w_m, beta): what the mixed weights really depend on. Without a reference set
// (kFixed) the last entry is absent; with no rewards c = (1). Entries are multiples of 2^-(w_bits + beta_bits) capped
// at 2^-20, non-negative, and sum to exactly 1 (largest remainder), so equal keys mean equal weights.
class Coefficients {
 public:
  // Beta snaps to the nearest point of its grid, w to its own by largest remainder, and so do the products.
  static Coefficients From(const MixingRule& rule, const Weighting& weighting, const CoefficientGrid& grid);

  const std::vector<float>& values() const { return values_; }
  // Canonical bytes: equal exactly when the coefficients are equal. Not for people.
  std::string Key() const;

  friend bool operator==(const Coefficients&, const Coefficients&) = default;

 private:
  explicit Coefficients(std::vector<float> values) : values_(std::move(values)) {}
  std::vector<float> values_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_WEIGHTING_H_
