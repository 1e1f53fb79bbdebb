#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/commands/tls_flags.h"
#include "client/commands/token_flag.h"
#include "client/endpoints.h"
#include "client/publisher.h"
#include "model/checkpoint.h"
#include "model/published.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

struct PublishFlags {
  std::string directory;
  std::vector<std::string> servers = {kDefaultServer};
  std::string form = "as-is";
  std::string parent;
  std::string peer;
  std::string holder;
  std::string token_file;
  TlsOptions tls;
};

absl::StatusOr<Checkpoint> OpenAs(const std::string& directory, const std::string& form) {
  ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(directory));
  if (form == "bf16") return RoundPublished(checkpoint);
  return checkpoint;
}

std::string Line(const ReplicaOutcome& outcome) {
  if (!outcome.status.ok()) {
    return absl::StrCat(outcome.endpoint, "  ", absl::StatusCodeToString(outcome.status.code()), ": ",
                        outcome.status.message(), "\n");
  }
  return absl::StrCat(outcome.endpoint, "  committed", outcome.result.durable ? ", durable" : ", in memory only", ", ",
                      outcome.result.bytes_sent, " bytes", outcome.whole ? "" : " of changes", ", ",
                      outcome.result.attempts, outcome.result.attempts == 1 ? " attempt\n" : " attempts\n");
}

absl::Status PublishFolder(const PublishFlags& flags, const std::vector<std::string>& endpoints,
                           const PublisherOptions& options) {
  ASSIGN_OR_RETURN(const Checkpoint next, OpenAs(flags.directory, flags.form));
  std::unique_ptr<Checkpoint> parent;
  if (!flags.parent.empty()) {
    ASSIGN_OR_RETURN(Checkpoint opened, OpenAs(flags.parent, flags.form));
    parent = std::make_unique<Checkpoint>(std::move(opened));
  }
  Publisher publisher(endpoints, options);
  ASSIGN_OR_RETURN(const PublishReport report, publisher.Publish(next, parent.get()));
  std::cout << absl::StrCat("version  epoch ", report.version.epoch(), ", sequence ", report.version.sequence(),
                            ", digest ", report.version.digest(), "\n");
  for (const ReplicaOutcome& outcome : report.replicas) std::cout << Line(outcome);
  if (report.all_ok()) return absl::OkStatus();
  return absl::UnavailableError("not every server took the version; publish again, or send it with --from later");
}

absl::Status CatchUp(const PublishFlags& flags, const Endpoints& endpoints, const ParametersClientOptions& options) {
  const ParametersClient peer(flags.peer, options);
  for (const std::string& endpoint : endpoints.addresses) {
    ParametersClientOptions to = options;
    to.tls = TlsTo(endpoints.hosts.at(endpoint), options.tls);
    const ParametersClient server(endpoint, to);
    ASSIGN_OR_RETURN(PushResult result, server.CatchUp(peer, ""));
    std::cout << Line({.endpoint = endpoint, .status = absl::OkStatus(), .result = result, .whole = true});
  }
  return absl::OkStatus();
}

absl::Status Run(const PublishFlags& flags) {
  if (flags.directory.empty() == flags.peer.empty()) {
    return absl::InvalidArgumentError("name either a folder to publish or a server with --from");
  }
  RETURN_IF_ERROR(CheckTls(flags.tls));
  PublisherOptions options{.holder = flags.holder, .client = {}};
  options.client.tls = flags.tls;
  ASSIGN_OR_RETURN(options.client.token, ReadToken(flags.token_file));
  ASSIGN_OR_RETURN(const Endpoints endpoints, ResolveAll(flags.servers));
  options.hosts = endpoints.hosts;
  return flags.peer.empty() ? PublishFolder(flags, endpoints.addresses, options)
                            : CatchUp(flags, endpoints, options.client);
}

}  // namespace

void AddPublish(CLI::App& app, Chosen* chosen) {
  CLI::App* command =
      app.add_subcommand("publish",
                         "Send the parameters of a checkpoint to running servers, which serve them from then on.\n"
                         "\n"
                         "One publisher at a time: a server refuses others until 30 seconds (its --lease-seconds) "
                         "after the last message.\n"
                         "\n"
                         "  trimtab publish step-500 --holder me --server host-a:50051 --server host-b:50051\n"
                         "  trimtab publish step-600 --holder me --parent step-500        # only what changed\n"
                         "  trimtab publish --from host-a:50051 --server host-b:50051     # what b missed");
  auto flags = std::make_shared<PublishFlags>();
  command->add_option("directory", flags->directory, "Checkpoint of the model the servers run")->type_name("DIR");
  command
      ->add_option("--server", flags->servers,
                   "Of trimtabd; repeatable, and every address that a name resolves to is one server")
      ->type_name("HOST:PORT")
      ->envname(kServerEnv)
      ->capture_default_str();
  command->add_option("--form", flags->form, "as-is, or bf16: float32 tensors are rounded")
      ->type_name("NAME")
      ->check(CLI::IsMember({"as-is", "bf16"}))
      ->capture_default_str();
  command
      ->add_option("--parent", flags->parent,
                   "Checkpoint that was published before, in the same form: servers that have it get the changes only")
      ->type_name("DIR");
  command->add_option("--from", flags->peer, "Instead of a folder: a server whose version the others missed")
      ->type_name("HOST:PORT");
  command
      ->add_option("--holder", flags->holder,
                   "Name of this publisher; equal ones may follow each other at once. Default: one of its own")
      ->type_name("NAME");
  AddTokenFlag(*command, &flags->token_file);
  AddTlsFlags(*command, &flags->tls);
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
