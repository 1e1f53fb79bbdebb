#ifndef TRIMTAB_TRAINER_COMMANDS_SCORING_FLAGS_H_
#define TRIMTAB_TRAINER_COMMANDS_SCORING_FLAGS_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "client/commands/offline.h"
#include "model/clp_config.h"
#include "trainer/corpora/corpus.h"
#include "trainer/rewards/scorer_set.h"

namespace trimtab {

// What commands that score the summaries of a checkpoint have in common.
struct ScoringFlags {
  OfflineOptions engine;
  std::string corpus;
  std::string judges;  // Folder with reward_models/; empty: the checkpoint.
  int count = 200;
  std::vector<std::string> remote_rewards;
};

// `flags` must outlive the parse.
void AddScoringFlags(CLI::App& app, ScoringFlags* flags);

struct ScoringInputs {
  ClpConfig clp;
  std::vector<Example> examples;  // The first of the corpus.
  ScorerSet scorers;
};
absl::StatusOr<ScoringInputs> OpenScoring(const ScoringFlags& flags);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_COMMANDS_SCORING_FLAGS_H_
