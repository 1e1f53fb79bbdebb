#include "model/weighting.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/field_error.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr double kSumTolerance = 1e-3;
constexpr int kFinestBits = 20;

absl::Status CheckAlpha(const MixingRule& rule, int num_rewards, double alpha) {
  const double low = num_rewards == 0 ? 1.0 : rule.alpha_min;
  const double high = num_rewards > 0 && rule.kind == MixingKind::kFixed ? rule.alpha_min : 1.0;
  if (alpha >= low && alpha <= high) return absl::OkStatus();
  const std::string expected = low == high ? absl::StrCat(low) : absl::StrCat("a number from ", low, " to ", high);
  return InvalidField("alpha", absl::StrCat("is ", alpha, "; expected ", expected));
}

absl::Status CheckWeights(int num_rewards, const std::vector<double>& w) {
  if (w.size() != static_cast<size_t>(num_rewards)) {
    return InvalidField("weights",
                        absl::StrCat("has ", w.size(), " entries; the checkpoint has ", num_rewards, " rewards"));
  }
  for (size_t i = 0; i < w.size(); ++i) {
    if (!(w[i] >= 0.0 && w[i] <= 1.0 + kSumTolerance)) {
      return InvalidField(absl::StrCat("weights[", i, "]"), absl::StrCat("is ", w[i], "; expected 0 to 1"));
    }
  }
  const double sum = std::accumulate(w.begin(), w.end(), 0.0);
  if (w.empty() || std::abs(sum - 1.0) <= kSumTolerance) return absl::OkStatus();
  return InvalidField("weights", absl::StrCat("sum to ", sum, "; expected 1, give or take ", kSumTolerance));
}

// Integers that sum to exactly `total`, proportional to `shares` (which sum to 1): floors first, then one more for the
// largest remainders, the earlier entry on a tie.
std::vector<int64_t> LargestRemainder(const std::vector<double>& shares, int64_t total) {
  std::vector<int64_t> units(shares.size());
  std::vector<double> remainders(shares.size());
  int64_t left = total;
  for (size_t i = 0; i < shares.size(); ++i) {
    const double exact = shares[i] * static_cast<double>(total);
    units[i] = std::min<int64_t>(static_cast<int64_t>(std::floor(exact)), left);
    remainders[i] = exact - static_cast<double>(units[i]);
    left -= units[i];
  }
  std::vector<size_t> order(shares.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return remainders[a] > remainders[b]; });
  for (size_t i = 0; left > 0; i = (i + 1) % order.size(), --left) ++units[order[i]];
  return units;
}

std::vector<double> Snap(const std::vector<double>& shares, int bits) {
  const int64_t total = int64_t{1} << bits;
  std::vector<double> snapped;
  for (int64_t units : LargestRemainder(shares, total))
    snapped.push_back(std::ldexp(static_cast<double>(units), -bits));
  return snapped;
}

}  // namespace

absl::string_view MixingKindName(MixingKind kind) {
  switch (kind) {
    case MixingKind::kSoftmdp:
      return "softmdp";
    case MixingKind::kLinear:
      return "linear";
    case MixingKind::kFixed:
      break;
  }
  return "fixed";
}

std::optional<MixingKind> ParseMixingKind(absl::string_view name) {
  for (const MixingKind kind : {MixingKind::kSoftmdp, MixingKind::kLinear, MixingKind::kFixed}) {
    if (name == MixingKindName(kind)) return kind;
  }
  return std::nullopt;
}

double MixShare(const MixingRule& rule, double alpha) {
  switch (rule.kind) {
    case MixingKind::kFixed:
      return 0.0;
    case MixingKind::kLinear:
      return alpha;
    case MixingKind::kSoftmdp:
      break;
  }
  if (alpha >= 1.0) return 1.0;
  return (alpha - rule.alpha_min) / (alpha * (1.0 - rule.alpha_min));
}

double AlphaOfShare(const MixingRule& rule, double share) {
  switch (rule.kind) {
    case MixingKind::kFixed:
      return rule.alpha_min;
    case MixingKind::kLinear:
      return share;
    case MixingKind::kSoftmdp:
      break;
  }
  if (share >= 1.0) return 1.0;
  return rule.alpha_min / (1.0 - share * (1.0 - rule.alpha_min));
}

absl::StatusOr<Weighting> Weighting::Create(const MixingRule& rule, int num_rewards, double alpha,
                                            std::vector<double> w) {
  RETURN_IF_ERROR(CheckAlpha(rule, num_rewards, alpha));
  RETURN_IF_ERROR(CheckWeights(num_rewards, w));
  const double sum = std::accumulate(w.begin(), w.end(), 0.0);
  if (sum != 1.0) {
    for (double& entry : w) entry /= sum;
  }
  return Weighting(alpha, std::move(w));
}

Coefficients Coefficients::From(const MixingRule& rule, const Weighting& weighting, const CoefficientGrid& grid) {
  if (weighting.w().empty()) return Coefficients({1.0f});
  const std::vector<double> w = Snap(weighting.w(), grid.w_bits);
  std::vector<double> c = w;
  if (rule.kind != MixingKind::kFixed) {
    const double share = MixShare(rule, weighting.alpha());
    const double beta = std::ldexp(std::round(std::ldexp(share, grid.beta_bits)), -grid.beta_bits);
    for (double& entry : c) entry *= 1.0 - beta;
    c.push_back(beta);
  }
  const std::vector<double> snapped = Snap(c, std::min(grid.w_bits + grid.beta_bits, kFinestBits));
  return Coefficients(std::vector<float>(snapped.begin(), snapped.end()));
}

std::string Coefficients::Key() const {
  std::string key(values_.size() * sizeof(float), '\0');
  std::memcpy(key.data(), values_.data(), key.size());
  return key;
}

}  // namespace trimtab
