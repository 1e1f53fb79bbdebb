#include <memory>
#include <string>

#include "model/status_macros.h"
#include "trainer/commands/command.h"
#include "trainer/daemon.h"
#include "trainer/run_config.h"
#include "trainer/run_folder.h"

namespace trimtab {
namespace {

struct TrainFlags {
  std::string config;
  bool only_begin = false;
};

absl::Status Run(const TrainFlags& flags) {
  ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfig(flags.config));
  if (flags.only_begin) return RunFolder::Open(config).status();
  return RunDaemon(config);
}

}  // namespace

void AddTrain(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand(
      "train",
      "Learn a conditioned language policy as the configuration says, from its newest checkpoint if it has one.");
  auto flags = std::make_shared<TrainFlags>();
  command->add_option("config", flags->config, "JSON; trainer/README.md lists the keys")->required()->type_name("FILE");
  command->add_flag("--only-begin", flags->only_begin,
                    "Make the folder of the run with its first checkpoint, which servers start on, and end");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
