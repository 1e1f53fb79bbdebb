#ifndef TRIMTAB_MODEL_REWARDS_REWARD_SCORER_H_
#define TRIMTAB_MODEL_REWARDS_REWARD_SCORER_H_

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

  // Of what Score gives, in order. Never changes; [a-z0-9_]{1,64} each.
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool needs_reference() const = 0;
  // One finite number per name, on the scorer's own scale. May take as long as a model takes. REQUIRES: a reference, if
  // it needs one.
  virtual absl::StatusOr<std::vector<double>> Score(const ScoredText& text) const = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_REWARDS_REWARD_SCORER_H_
