#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/commands/command.h"
#include "model/importer.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

struct ImportFlags {
  std::string folder;
  std::string out;
  Soup soup;
  std::vector<std::string> rewards;
  ImportOptions options;
  CLI::Option* default_alpha = nullptr;
};

absl::Status RunHuggingFace(const ImportFlags& flags) {
  RETURN_IF_ERROR(ImportHuggingFace(flags.folder, flags.out, flags.options));
  std::cout << "wrote " << flags.out << "\n";
  return absl::OkStatus();
}

absl::Status RunSoup(ImportFlags flags) {
  for (const std::string& text : flags.rewards) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (entry.first.empty() || entry.second.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--reward '", text, "' names no folder; expected NAME=DIR, such as brief=models/brief"));
    }
    flags.soup.rewards.push_back(entry);
  }
  if (flags.default_alpha->count() == 0) flags.options.default_alpha = flags.options.alpha_min;
  RETURN_IF_ERROR(ImportSoup(flags.soup, flags.out, flags.options));
  std::cout << "wrote " << flags.out << "\n";
  return absl::OkStatus();
}

void AddNaming(CLI::App& app, ImportOptions& options) {
  app.add_option("--name", options.name, "Of the model. Default: the output folder's name")->type_name("NAME");
  app.add_option("--task-prefix", options.task_prefix, "Put before every article")
      ->type_name("TEXT")
      ->capture_default_str();
}

void AddHuggingFace(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("hf",
                                         "A plain Hugging Face T5 or FLAN-T5: no rewards, serves as it is.\n"
                                         "\n"
                                         "  trimtab import hf flan-t5-small plain\n"
                                         "  trimtabd --model plain");
  auto flags = std::make_shared<ImportFlags>();
  command->add_option("dir", flags->folder, "Hugging Face folder")->type_name("DIR")->required();
  command->add_option("out", flags->out, "Folder to make; must not exist or be empty")->type_name("OUT")->required();
  AddNaming(*command, flags->options);
  command->callback([flags, chosen] { *chosen = [flags] { return RunHuggingFace(*flags); }; });
}

void AddSoup(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand(
      "soup",
      "Rewarded Soups: one Hugging Face folder per reward, all fine-tuned from the reference, become one steerable\n"
      "checkpoint. One reward and its reference make a multi-KL model.\n"
      "\n"
      "  trimtab import soup --reference t5 --reward brief=t5-brief --reward full=t5-full --variant attn steerable");
  auto flags = std::make_shared<ImportFlags>();
  command->add_option("--reference", flags->soup.reference, "The model all others were fine-tuned from")
      ->type_name("DIR")
      ->required();
  command->add_option("--reward", flags->rewards, "A reward and its folder; repeatable, 1 to 16, in order")
      ->type_name("NAME=DIR")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--variant", flags->soup.variant, "Which tensors are conditioned: full, attn or logit")
      ->type_name("NAME")
      ->check(CLI::IsMember({"full", "attn", "logit"}))
      ->required();
  command->add_option("--alpha-min", flags->options.alpha_min, "Where the reward sets rule alone, above 0, below 1")
      ->type_name("ALPHA")
      ->capture_default_str();
  flags->default_alpha = command
                             ->add_option("--default-alpha", flags->options.default_alpha,
                                          "For requests that name none, alpha-min to 1. Default: alpha-min")
                             ->type_name("ALPHA");
  AddNaming(*command, flags->options);
  command->add_option("out", flags->out, "Folder to make; must not exist or be empty")->type_name("OUT")->required();
  command->callback([flags, chosen] { *chosen = [flags] { return RunSoup(*flags); }; });
}

}  // namespace

void AddImport(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("import", "Make a checkpoint from Hugging Face T5 folders (hf, soup).");
  command->require_subcommand(1);
  AddHuggingFace(*command, chosen);
  AddSoup(*command, chosen);
}

}  // namespace trimtab
