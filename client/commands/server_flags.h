#ifndef TRIMTAB_CLIENT_COMMANDS_SERVER_FLAGS_H_
#define TRIMTAB_CLIENT_COMMANDS_SERVER_FLAGS_H_

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "client/commands/command.h"
#include "client/summarizer_client.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// Which server a command asks for summaries, and what it asks of all of them.
struct ServerFlags {
  std::string server = kDefaultServer;
  double timeout_seconds = 60;
  int attempts = 4;
  std::string token_file = "";
  TlsOptions tls = {};
  std::string parameter_digest = "";
  v1::ExecutionPath path = v1::EXECUTION_PATH_UNSPECIFIED;

  // The helps say what --timeout and --attempts are of. This must outlive the parse.
  void AddTo(CLI::App& app, const std::string& timeout_help, const std::string& attempts_help);

  // For a SummarizerClient. NotFound where there is no token file, or none of TLS.
  absl::StatusOr<ClientOptions> Options() const;

  // `Request`: SummarizeRequest or ExploreRequest.
  template <typename Request>
  void SetOn(Request* request) const {
    request->set_parameter_digest(parameter_digest);
    request->set_execution_path(path);
  }
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_SERVER_FLAGS_H_
