#include "server/exploration.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "model/field_error.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr int kMaxDivisions = 64;
constexpr int kMaxAlphas = 32;

// An alpha and the field it comes from.
struct Alpha {
  std::optional<double> value;  // None: the default.
  std::string field;
};

absl::Status CheckGrid(const ClpConfig& clp, const WeightingGrid& grid) {
  if (clp.rewards.empty()) return InvalidField("grid", "was sent to a checkpoint without rewards; list one weighting");
  if (grid.divisions < 1 || grid.divisions > kMaxDivisions) {
    return InvalidField("grid.divisions", absl::StrCat("is ", grid.divisions, "; expected 1 to ", kMaxDivisions));
  }
  if (grid.alphas.size() > kMaxAlphas) {
    return InvalidField("grid.alphas",
                        absl::StrCat("has ", grid.alphas.size(), " entries; at most ", kMaxAlphas, " are accepted"));
  }
  if (grid.alpha_sweep != 0 && (grid.alpha_sweep < 2 || grid.alpha_sweep > kMaxAlphas)) {
    return InvalidField("grid.alpha_sweep",
                        absl::StrCat("is ", grid.alpha_sweep, "; expected 0 (none) or 2 to ", kMaxAlphas));
  }
  if (grid.alpha_sweep != 0 && clp.mixing.kind == MixingKind::kFixed) {
    return InvalidField("grid.alpha_sweep", absl::StrCat("is ", grid.alpha_sweep, "; this checkpoint has one alpha, ",
                                                         clp.mixing.alpha_min, ": leave it out"));
  }
  return absl::OkStatus();
}

// Points of the simplex of `m` corners, or one more than `limit`.
int64_t LatticeSize(size_t m, int divisions, int64_t limit) {
  int64_t size = 1;
  for (size_t i = 1; i < m && size <= limit; ++i)
    size = size * (divisions + static_cast<int64_t>(i)) / static_cast<int64_t>(i);
  return std::min(size, limit + 1);
}

// Appends all w that begin with `w` and share `left` divisions among the `rest` entries that follow.
void AddLattice(std::vector<double>& w, size_t rest, int left, int divisions,
                std::vector<std::vector<double>>* lattice) {
  const int least = rest == 1 ? left : 0;
  for (int n = left; n >= least; --n) {
    w.push_back(static_cast<double>(n) / divisions);
    if (rest == 1) {
      lattice->push_back(w);
    } else {
      AddLattice(w, rest - 1, left - n, divisions, lattice);
    }
    w.pop_back();
  }
}

std::vector<Alpha> AlphasOf(const ClpConfig& clp, const SteeringBounds& bounds, const WeightingGrid& grid) {
  std::vector<Alpha> alphas;
  for (size_t i = 0; i < grid.alphas.size(); ++i)
    alphas.push_back({grid.alphas[i], absl::StrCat("grid.alphas[", i, "]")});
  const double least = std::max(clp.mixing.alpha_min, bounds.alpha_floor);
  const double first = MixShare(clp.mixing, least);
  for (int i = 0; i < grid.alpha_sweep; ++i) {
    const double part = static_cast<double>(i) / (grid.alpha_sweep - 1);
    const double alpha = AlphaOfShare(clp.mixing, first + part * (1.0 - first));
    alphas.push_back({std::clamp(alpha, least, 1.0), "grid.alpha_sweep"});
  }
  if (alphas.empty()) alphas.push_back({std::nullopt, "grid.alphas"});
  return alphas;
}

}  // namespace

absl::StatusOr<std::vector<Steering>> ExpandGrid(const ClpConfig& clp, const SteeringBounds& bounds,
                                                 const CoefficientGrid& coefficient_grid, const WeightingGrid& grid) {
  RETURN_IF_ERROR(CheckGrid(clp, grid));
  const std::vector<Alpha> alphas = AlphasOf(clp, bounds, grid);
  const auto most = kMaxExploredPoints / static_cast<int64_t>(alphas.size());
  if (LatticeSize(clp.rewards.size(), grid.divisions, most) > most) {
    return InvalidField("grid", absl::StrCat("has more than ", kMaxExploredPoints, " points (", grid.divisions,
                                             " divisions for ", clp.rewards.size(), " rewards, ", alphas.size(),
                                             " alphas); ask for fewer divisions or alphas"));
  }
  std::vector<std::vector<double>> lattice;
  std::vector<double> w;
  AddLattice(w, clp.rewards.size(), grid.divisions, grid.divisions, &lattice);
  std::vector<Steering> points;
  for (const Alpha& alpha : alphas) {
    for (const std::vector<double>& weights : lattice) {
      const SteeringAsked asked{.alpha = alpha.value, .weights = weights, .named_weights = {}, .preset = ""};
      auto steering = ResolveSteering(clp, bounds, coefficient_grid, asked);
      if (steering.ok()) {
        points.push_back(*std::move(steering));
      } else if (FieldOf(steering.status()) == "alpha") {
        return InvalidField(alpha.field, absl::StrCat("is not accepted: ", steering.status().message()));
      }
    }
  }
  if (!points.empty()) return points;
  return InvalidField("grid",
                      "has no weights inside this server's bounds (GetModelInfo has them); ask for more divisions");
}

std::vector<DistinctPoint> DistinctPoints(const ClpConfig& clp, std::vector<Steering> asked) {
  std::vector<DistinctPoint> points;
  absl::flat_hash_map<std::string, size_t> known;
  for (size_t i = 0; i < asked.size(); ++i) {
    const std::string key = absl::StrCat(asked[i].coefficients.Key(), BuildPrompt(clp, asked[i].weighting, ""));
    const auto [place, fresh] = known.try_emplace(key, points.size());
    if (fresh) points.push_back({std::move(asked[i]), {}});
    points[place->second].asked.push_back(static_cast<int32_t>(i));
  }
  return points;
}

}  // namespace trimtab
