#include "model/pack.h"

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/commands/command.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

struct PackFlags {
  std::string folder;
  std::string out;
  std::vector<std::string> presets;
  PackOptions options;
};

// "concise=0.01:1,0": alpha and the weights in the checkpoint's order.
absl::StatusOr<std::pair<std::string, Preset>> ParsePreset(const std::string& text) {
  const std::pair<std::string, std::string> named = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const std::pair<std::string, std::string> values = absl::StrSplit(named.second, absl::MaxSplits(':', 1));
  Preset preset;
  bool good = absl::SimpleAtod(values.first, &preset.alpha);
  for (const auto& weight : absl::StrSplit(values.second, ',')) {
    good &= absl::SimpleAtod(weight, &preset.w.emplace_back());
  }
  if (good) return std::make_pair(named.first, std::move(preset));
  return absl::InvalidArgumentError(
      absl::StrCat("--preset '", text, "' is no weighting; expected NAME=ALPHA:W,W,..., such as concise=0.1:1,0"));
}

absl::Status Run(PackFlags flags) {
  for (const std::string& text : flags.presets) {
    ASSIGN_OR_RETURN(const auto preset, ParsePreset(text));
    flags.options.presets.insert(preset);
  }
  RETURN_IF_ERROR(PackCheckpoint(flags.folder, flags.options, flags.out));
  std::cout << "wrote " << flags.out << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddPack(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand(
      "pack", "Make a trained checkpoint small enough to ship: BF16, nothing that only training needs.");
  auto flags = std::make_shared<PackFlags>();
  command->add_option("dir", flags->folder, "CLP checkpoint")->type_name("DIR")->required();
  command->add_option("out", flags->out, "Folder to make; must not exist or be empty")->type_name("OUT")->required();
  command->add_option("--name", flags->options.name, "Of the model. Default: as it was")->type_name("NAME");
  command
      ->add_option("--default-alpha", flags->options.default_alpha,
                   "For requests that name none, alpha_min to 1. Default: as it was")
      ->type_name("ALPHA");
  command->add_option("--preset", flags->presets, "A weighting by name, in the order of the rewards. Repeatable")
      ->type_name("NAME=ALPHA:W,W,...")
      ->allow_extra_args(false);
  command
      ->add_option("--judges", flags->options.judges, "Folder whose reward_models/ go along. Default: the checkpoint")
      ->type_name("DIR");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
