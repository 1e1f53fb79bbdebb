#ifndef TRIMTAB_TRAINER_COMMANDS_COMMAND_H_
#define TRIMTAB_TRAINER_COMMANDS_COMMAND_H_

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace trimtab {

// What the command line chose to do; set while it is parsed.
using Chosen = std::function<absl::Status()>;

// Each adds one sub-command to `app`. `chosen` must outlive the parse.
void AddCorpus(CLI::App& app, Chosen* chosen);  // debian, split
void AddVocabulary(CLI::App& app, Chosen* chosen);
void AddPairs(CLI::App& app, Chosen* chosen);  // consistency, quality
void AddFinetune(CLI::App& app, Chosen* chosen);
void AddRewardModel(CLI::App& app, Chosen* chosen);  // consistency, quality
void AddEvaluate(CLI::App& app, Chosen* chosen);
void AddScore(CLI::App& app, Chosen* chosen);
void AddCalibrate(CLI::App& app, Chosen* chosen);
void AddTrain(CLI::App& app, Chosen* chosen);
void AddControl(CLI::App& app, Chosen* chosen);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_COMMANDS_COMMAND_H_
