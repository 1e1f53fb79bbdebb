#ifndef TRIMTAB_CLIENT_COMMANDS_COMMAND_H_
#define TRIMTAB_CLIENT_COMMANDS_COMMAND_H_

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace trimtab {

// What the command line chose to do; set while it is parsed.
using Chosen = std::function<absl::Status()>;

// Each adds one sub-command to `app`. `chosen` must outlive the parse.
void AddSummarize(CLI::App& app, Chosen* chosen);
void AddBench(CLI::App& app, Chosen* chosen);
void AddExplore(CLI::App& app, Chosen* chosen);
void AddInfo(CLI::App& app, Chosen* chosen);
void AddPrewarm(CLI::App& app, Chosen* chosen);
void AddInspect(CLI::App& app, Chosen* chosen);
void AddImport(CLI::App& app, Chosen* chosen);
void AddPack(CLI::App& app, Chosen* chosen);
void AddMakeRandom(CLI::App& app, Chosen* chosen);
void AddPublish(CLI::App& app, Chosen* chosen);
void AddVersions(CLI::App& app, Chosen* chosen);  // And activate.

inline constexpr char kDefaultServer[] = "127.0.0.1:50051";
inline constexpr char kServerEnv[] = "TRIMTAB_SERVER";  // Says --server where the flag does not.
inline constexpr char kServerHelp[] =
    "trimtabd, or several with commas: each weighting has one of them, and others should that one fail";

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_COMMAND_H_
