#ifndef TRIMTAB_TRAINER_REWARDS_WRITTEN_H_
#define TRIMTAB_TRAINER_REWARDS_WRITTEN_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/commands/offline.h"
#include "model/rewards/mapped_rewards.h"
#include "trainer/corpora/corpus.h"
#include "trainer/rewards/scorer_set.h"

namespace trimtab {

// What a checkpoint writes of a corpus at one weighting, and what it is worth.
struct Written {
  v1::AppliedWeighting weighting;
  std::vector<std::string> summaries;  // In the order of the examples.
  std::vector<Scores> scores;

  Scores Means() const;  // Of each score.
  double WordsPerSummary() const;
};

// What scorers are asked about; views into the arguments, one by one.
std::vector<ScoredText> TextsOf(std::span<const Example> examples, std::span<const std::string> summaries);

// One for each of `steerings`. Takes as long as engine and scorers take; memory grows with the texts.
absl::StatusOr<std::vector<Written>> WriteAndScore(const OfflineOptions& engine, std::span<const Example> examples,
                                                   const std::vector<v1::Steering>& steerings,
                                                   const v1::GenerationOptions& generation, const ScorerSet& scorers);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_REWARDS_WRITTEN_H_
