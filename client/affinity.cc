#include "client/affinity.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/affinity_key.h"

namespace trimtab {
namespace {

constexpr absl::Duration kAskTimeout = absl::Seconds(2);
constexpr absl::Duration kAskAgain = absl::Seconds(5);

bool IsGrid(int32_t bits) { return bits >= 1 && bits <= 20; }

std::string KeyOf(const v1::SummarizeResponse& reply) {
  const auto& coefficients = reply.weighting().coefficients();
  return AffinityKey({coefficients.data(), static_cast<size_t>(coefficients.size())});
}

}  // namespace

absl::StatusOr<ServedSteering> ServedSteeringOf(const v1::GetModelInfoResponse& info) {
  const std::optional<MixingKind> kind = ParseMixingKind(info.mixing());
  const bool alpha_min = info.alpha_min() > 0.0 && info.alpha_min() <= 1.0;
  if (!kind.has_value() || !alpha_min || !IsGrid(info.grid_bits_w()) || !IsGrid(info.grid_bits_beta())) {
    return absl::FailedPreconditionError(absl::StrCat("the server says mixing '", info.mixing(), "', alpha_min ",
                                                      info.alpha_min(), ", grid bits ", info.grid_bits_w(), " and ",
                                                      info.grid_bits_beta(), ": no affinity key can be made of that"));
  }
  ServedSteering served;
  served.clp.mixing = {*kind, info.alpha_min()};
  served.clp.default_alpha = info.default_alpha();
  for (const v1::Reward& reward : info.rewards()) served.clp.rewards.emplace_back().name = reward.name();
  for (const v1::Preset& preset : info.presets()) {
    served.clp.presets[preset.name()] = {preset.alpha(), {preset.weights().begin(), preset.weights().end()}, ""};
  }
  served.grid = {.w_bits = info.grid_bits_w(), .beta_bits = info.grid_bits_beta()};
  return served;
}

SteeringAsked SteeringOf(const v1::Steering& steering) {
  SteeringAsked asked;
  if (steering.has_alpha()) asked.alpha = steering.alpha();
  asked.weights.assign(steering.weights().begin(), steering.weights().end());
  asked.named_weights.insert(steering.named_weights().begin(), steering.named_weights().end());
  asked.preset = steering.preset();
  return asked;
}

std::string AffinityKeys::For(const v1::Steering& steering, absl::Time deadline, const std::string& token) {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = absl::Now();
  if (!served_.has_value() && now >= ask_again_) {
    if (const auto info = ask_(std::min(deadline, now + kAskTimeout), token); info.ok()) {
      if (auto served = ServedSteeringOf(*info); served.ok()) served_ = *std::move(served);
    }
    if (!served_.has_value()) ask_again_ = absl::Now() + kAskAgain;
  }
  if (!served_.has_value()) return "";
  const auto resolved = ResolveSteering(served_->clp, served_->grid, SteeringOf(steering));
  return resolved.ok() ? AffinityKey(resolved->coefficients.values()) : "";
}

void AffinityKeys::Learn(absl::string_view key, const absl::StatusOr<v1::SummarizeResponse>& outcome) {
  const bool contradicts =
      outcome.ok() ? KeyOf(*outcome) != key : absl::IsInvalidArgument(outcome.status()) && !key.empty();
  if (!contradicts) return;
  absl::MutexLock lock(&mutex_);
  served_.reset();
}

}  // namespace trimtab
