#ifndef TRIMTAB_MODEL_REWARDS_REWARD_SCORER_H_
#define TRIMTAB_MODEL_REWARDS_REWARD_SCORER_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// A summary and what to judge it by. All UTF-8.
struct ScoredText {
  absl::string_view article;
  absl::string_view summary;
  absl::string_view reference;  // A summary that a person wrote; empty where there is none.
};

// Says how good a summary is, in one number or several; larger is better. Thread-safe.
class RewardScorer {
 public:
  virtual ~RewardScorer() = default;

  // Of what ScoreAll gives for each text, in order. Never changes; [a-z0-9_]{1,64} each.
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool needs_reference() const = 0;
  // For each text one finite number per name, on the scorer's own scale, the same alone and among others. May take as
  // long as a model or a network takes. REQUIRES: references, if it needs them.
  virtual absl::StatusOr<std::vector<std::vector<double>>> ScoreAll(std::span<const ScoredText> texts) const = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_REWARD_SCORER_H_
