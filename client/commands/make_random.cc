#include <cstdint>
#include <iostream>
#include <memory>
#include <string>

#include "client/commands/command.h"
#include "model/random_checkpoint.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

struct RandomFlags {
  std::string shape;
  uint64_t seed = 1;
  std::string variant;
  int rewards = 2;
  std::string tokenizer;
  std::string out;
};

absl::Status Run(const RandomFlags& flags) {
  ASSIGN_OR_RETURN(const T5Config config, KnownShape(flags.shape));
  if (flags.variant.empty()) {
    RETURN_IF_ERROR(WriteRandomCheckpoint(config, flags.seed, flags.tokenizer, flags.out));
  } else {
    RETURN_IF_ERROR(WriteRandomClp(config, flags.variant, flags.rewards, flags.seed, flags.tokenizer, flags.out));
  }
  std::cout << "wrote " << flags.out << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddMakeRandom(CLI::App& app, Chosen* chosen) {
  CLI::App* command =
      app.add_subcommand("make-random", "Make a T5 or CLP folder with random weights, to measure speed.");
  auto flags = std::make_shared<RandomFlags>();
  command->add_option("--shape", flags->shape, "Whose shape it has")
      ->type_name("NAME")
      ->check(CLI::IsMember(KnownShapes()))
      ->required();
  command->add_option("--seed", flags->seed, "Equal seeds give equal weights")->type_name("N")->capture_default_str();
  auto* variant =
      command->add_option("--variant", flags->variant, "Make a CLP checkpoint with these tensors conditioned");
  variant->type_name("NAME")->check(CLI::IsMember({"full", "attn", "logit"}));
  command->add_option("--rewards", flags->rewards, "Rewards of the CLP checkpoint")
      ->type_name("N")
      ->check(CLI::Range(1, 16))
      ->capture_default_str()
      ->needs(variant);
  command->add_option("--tokenizer", flags->tokenizer, "A spiece.model to copy, of any T5")
      ->type_name("FILE")
      ->required();
  command->add_option("out", flags->out, "Folder to make; must not exist or be empty")->type_name("OUT")->required();
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
