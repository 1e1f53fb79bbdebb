#include "client/commands/server_flags.h"

#include <utility>

#include "client/commands/tls_flags.h"
#include "client/commands/token_flag.h"
#include "model/status_macros.h"

namespace trimtab {

void ServerFlags::AddTo(CLI::App& app, const std::string& timeout_help, const std::string& attempts_help) {
  app.add_option("--server", server, kServerHelp)
      ->type_name("HOST:PORT,...")
      ->envname(kServerEnv)
      ->capture_default_str()
      ->group("Server");
  app.add_option("--timeout", timeout_seconds, timeout_help)
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->group("Server");
  app.add_option("--attempts", attempts, attempts_help)
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 100))
      ->group("Server");
  app.add_option("--parameter-digest", parameter_digest,
                 "Answer with these parameters or not at all. Default: the newest")
      ->type_name("HEX")
      ->group("Server");
  app.add_option_function<std::string>(
         "--execution-path",
         [this](const std::string& name) {
           path = name == "dense" ? v1::EXECUTION_PATH_DENSE : v1::EXECUTION_PATH_BASIS;
         },
         "dense: on weights mixed for the weighting; basis: over the rewards' own. Default: the server chooses")
      ->type_name("PATH")
      ->check(CLI::IsMember({"dense", "basis"}))
      ->group("Server");
  AddTokenFlag(app, &token_file);
  AddTlsFlags(app, &tls);
}

absl::StatusOr<ClientOptions> ServerFlags::Options() const {
  ASSIGN_OR_RETURN(std::string token, ReadToken(token_file));
  RETURN_IF_ERROR(CheckTls(tls));
  return ClientOptions{
      .timeout = absl::Seconds(timeout_seconds), .max_attempts = attempts, .token = std::move(token), .tls = tls};
}

}  // namespace trimtab
