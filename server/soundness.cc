#include "server/soundness.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/mixed_weights.h"
#include "model/published.h"
#include "model/scoring.h"
#include "model/status_macros.h"
#include "model/weighting.h"
#include "server/error_reason.h"

namespace trimtab {
namespace {

constexpr int kPrompts = 2;
constexpr int kInputTokens = 8;
constexpr int kOutputTokens = 4;

absl::Status Unsound(absl::string_view what) {
  return WithReason(absl::FailedPreconditionError(what), kUnsoundParameters);
}

absl::StatusOr<double> RootMeanSquare(const Tensor& tensor) {
  std::vector<float> values(tensor.elements());
  RETURN_IF_ERROR(ToFloat32(tensor, "tensor", values));
  double sum = 0.0;
  for (const float value : values) sum += double{value} * value;
  return std::sqrt(sum / static_cast<double>(std::max<size_t>(1, values.size())));
}

// Ids spread over the vocabulary, the same for every version.
std::vector<int32_t> Ids(int prompt, int count, int32_t vocab_size, int32_t last) {
  std::vector<int32_t> ids;
  for (int i = 0; i + 1 < count; ++i) {
    ids.push_back(static_cast<int32_t>((3 + uint64_t{2654435761} * (prompt * count + i)) % vocab_size));
  }
  ids.push_back(last);
  return ids;
}

// (alpha, w) of the corners: each reward alone, all alike, and the reference.
absl::StatusOr<std::vector<Coefficients>> Corners(const ClpConfig& clp) {
  const int rewards = static_cast<int>(clp.rewards.size());
  if (rewards == 0) {
    ASSIGN_OR_RETURN(const Weighting only, Weighting::Create(clp.mixing, 0, clp.default_alpha, {}));
    return std::vector<Coefficients>{Coefficients::From(clp.mixing, only, {})};
  }
  std::vector<std::pair<double, std::vector<double>>> points;
  const double alpha = clp.mixing.alpha_min;
  points.emplace_back(alpha, std::vector<double>(rewards, 1.0 / rewards));
  for (int i = 0; i < rewards; ++i) {
    points.emplace_back(alpha, std::vector<double>(rewards, 0.0));
    points.back().second[i] = 1.0;
  }
  if (clp.has_reference()) points.emplace_back(1.0, std::vector<double>(rewards, 1.0 / rewards));
  std::vector<Coefficients> corners;
  for (auto& [at, w] : points) {
    ASSIGN_OR_RETURN(const Weighting weighting, Weighting::Create(clp.mixing, rewards, at, w));
    corners.push_back(Coefficients::From(clp.mixing, weighting, {}));
  }
  return corners;
}

}  // namespace

absl::Status CheckNorms(const Checkpoint& parent, const Checkpoint& next, double max_ratio) {
  for (const PublishedTensor& place : PublishedTensors(next)) {
    ASSIGN_OR_RETURN(const double before, RootMeanSquare(place.In(parent)));
    ASSIGN_OR_RETURN(const double after, RootMeanSquare(place.In(next)));
    if (before == 0.0 || after <= max_ratio * before) continue;
    return Unsound(absl::StrCat(PublishedName(place.SpecIn(next).name, place.reward), " grew ", after / before,
                                " times in root mean square; at most ", max_ratio,
                                " is accepted: has training diverged? (--max-norm-jump)"));
  }
  return absl::OkStatus();
}

absl::Status CheckCanary(const std::shared_ptr<const Parameters>& parameters, Backend* backend) {
  const T5Config& config = parameters->config();
  ASSIGN_OR_RETURN(const std::vector<Coefficients> corners, Corners(parameters->clp()));
  for (const Coefficients& corner : corners) {
    ASSIGN_OR_RETURN(const auto weights, MixedWeights::Mix(parameters, corner, backend, MixTime::kNever));
    for (int prompt = 0; prompt < kPrompts; ++prompt) {
      std::vector<int32_t> output = Ids(prompt, kOutputTokens, config.vocab_size, config.eos_id);
      output.front() = config.decoder_start_id;
      ASSIGN_OR_RETURN(
          const std::vector<float> logits,
          TeacherForcedLogits(*weights, Ids(prompt, kInputTokens, config.vocab_size, config.eos_id), output, backend));
      const auto bad = std::ranges::find_if(logits, [](float logit) { return !std::isfinite(logit); });
      if (bad == logits.end()) continue;
      return Unsound(absl::StrCat("canary prompt ", prompt, " gives a logit of ", *bad, " at coefficients ",
                                  absl::StrJoin(corner.values(), ","), "; expected finite ones"));
    }
  }
  return absl::OkStatus();
}

}  // namespace trimtab
