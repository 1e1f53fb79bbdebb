#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/commands/command.h"
#include "client/commands/tls_flags.h"
#include "client/commands/token_flag.h"
#include "client/summarizer_client.h"
#include "google/protobuf/util/json_util.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

struct InfoFlags {
  std::string server = kDefaultServer;
  double timeout_seconds = 10;
  bool json = false;
  std::string token_file;
  TlsOptions tls;
};

absl::StatusOr<std::string> AsJson(const v1::GetModelInfoResponse& info) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(info, &text, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("the reply cannot be printed: ", status.ToString()));
  return text + "\n";
}

std::string AsText(const v1::GetModelInfoResponse& info) {
  std::string out = absl::StrCat(
      "model      ", info.name(), "  (variant ", info.variant(), ", mixing ", info.mixing(), ")\nserver     ",
      info.server_version(), " on ", info.device(), " in ", info.precision(), "\nparameters ",
      info.parameter_version().digest(), " (epoch ", info.parameter_version().epoch(), ", sequence ",
      info.parameter_version().sequence(), ")\nmemory     ", info.parameter_bytes(), " bytes, ", info.mixed_bytes(),
      " bytes a mixture\nalpha      ", info.alpha_floor(), " to 1, default ", info.default_alpha(), "\nlimits     ",
      info.max_input_tokens(), " input tokens, ", info.max_new_tokens(), " new tokens\n");
  for (const v1::Reward& reward : info.rewards()) {
    absl::StrAppend(&out, "reward     ", reward.name(), "  weight ", reward.weight_low(), " to ", reward.weight_high(),
                    reward.description().empty() ? "" : "  ", reward.description(), "\n");
  }
  for (const v1::Preset& preset : info.presets()) {
    absl::StrAppend(&out, "preset     ", preset.name(), "  alpha ", preset.alpha(), "  weights ",
                    absl::StrJoin(preset.weights(), ","), preset.description().empty() ? "" : "  ",
                    preset.description(), "\n");
  }
  return out;
}

absl::Status Run(const InfoFlags& flags) {
  ASSIGN_OR_RETURN(const std::string token, ReadToken(flags.token_file));
  RETURN_IF_ERROR(CheckTls(flags.tls));
  const SummarizerClient client(flags.server,
                                {.timeout = absl::Seconds(flags.timeout_seconds), .token = token, .tls = flags.tls});
  ASSIGN_OR_RETURN(const v1::GetModelInfoResponse info, client.GetModelInfo());
  std::string text = AsText(info);
  if (flags.json) {
    ASSIGN_OR_RETURN(text, AsJson(info));
  }
  std::cout << text;
  return absl::OkStatus();
}

}  // namespace

void AddInfo(CLI::App& app, Chosen* chosen) {
  CLI::App* command =
      app.add_subcommand("info", "Print what a server serves: model, rewards, presets, version, limits.");
  auto flags = std::make_shared<InfoFlags>();
  command->add_option("--server", flags->server, kServerHelp)
      ->type_name("HOST:PORT,...")
      ->envname(kServerEnv)
      ->capture_default_str();
  command->add_option("--timeout", flags->timeout_seconds, "Of the call, tries included")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  AddTokenFlag(*command, &flags->token_file);
  AddTlsFlags(*command, &flags->tls);
  command->add_flag("--json", flags->json, "Print one line of JSON, named as in the contract");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
