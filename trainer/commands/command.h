#ifndef TRIMTAB_TRAINER_COMMANDS_COMMAND_H_
#define TRIMTAB_TRAINER_COMMANDS_COMMAND_H_

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace trimtab {

// What the command line chose to do; set while it is parsed.
using Chosen = std::function<absl::Status()>;

// Each adds one sub-command to `app`. `chosen` must outlive the parse.
void AddTrain(CLI::App& app, Chosen* chosen);
void AddControl(CLI::App& app, Chosen* chosen);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_COMMANDS_COMMAND_H_
