#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/commands/command.h"
#include "client/commands/steering_flags.h"
#include "client/commands/tls_flags.h"
#include "client/commands/token_flag.h"
#include "client/summarizer_client.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr char kHelp[] =
    "Have servers mix the weights of some weightings, so that their first requests need not.\n"
    "\n"
    "Each weighting is mixed by the server that its requests go to. Without tokens servers take this on loopback\n"
    "addresses only, with them from who has role admin.\n"
    "\n"
    "  trimtab prewarm --preset concise --preset detailed\n"
    "  trimtab prewarm --weights 0.5,0.5 --alpha 0.1 --alpha 0.5 --alpha 1";

struct PrewarmFlags {
  std::string server = kDefaultServer;
  std::string token_file;
  TlsOptions tls;
  double timeout_seconds = 600;
  SteeringFlags steering;
};

absl::Status Run(const PrewarmFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<v1::Steering> steerings, flags.steering.Parse());
  ASSIGN_OR_RETURN(const std::string token, ReadToken(flags.token_file));
  RETURN_IF_ERROR(CheckTls(flags.tls));
  const SummarizerClient client(flags.server,
                                {.timeout = absl::Seconds(flags.timeout_seconds), .token = token, .tls = flags.tls});
  ASSIGN_OR_RETURN(const v1::PrewarmResponse reply, client.Prewarm(steerings));
  std::vector<std::string> left_out;
  for (int i = 0; i < reply.results_size(); ++i) {
    const v1::PrewarmResult& result = reply.results(i);
    if (!result.resident()) left_out.push_back(absl::StrCat(Label(steerings[i]), ": ", result.reason()));
    std::cout << (result.resident() ? "resident  " : "left out  ") << Label(steerings[i]) << "\n";
  }
  if (left_out.empty()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrJoin(left_out, "; "));
}

}  // namespace

void AddPrewarm(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("prewarm", kHelp);
  auto flags = std::make_shared<PrewarmFlags>();
  flags->steering.AddTo(*command);
  command->add_option("--server", flags->server, kServerHelp)
      ->type_name("HOST:PORT,...")
      ->envname(kServerEnv)
      ->capture_default_str();
  AddTokenFlag(*command, &flags->token_file);
  AddTlsFlags(*command, &flags->tls);
  command->add_option("--timeout", flags->timeout_seconds, "Of the whole, tries included")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
