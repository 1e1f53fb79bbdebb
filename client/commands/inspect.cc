#include "model/inspect.h"

#include <iostream>
#include <memory>
#include <string>

#include "client/commands/command.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

absl::Status Run(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::string text, InspectCheckpoint(directory));
  std::cout << text;
  if (text.empty() || text.back() != '\n') std::cout << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddInspect(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("inspect", "Print what is inside a checkpoint folder. Loads no weights.");
  auto directory = std::make_shared<std::string>();
  command->add_option("dir", *directory, "CLP checkpoint or Hugging Face T5 folder")->type_name("DIR")->required();
  command->callback([directory, chosen] { *chosen = [directory] { return Run(*directory); }; });
}

}  // namespace trimtab
