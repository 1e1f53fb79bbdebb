#include <cstdint>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/commands/tls_flags.h"
#include "client/commands/token_flag.h"
#include "client/parameters_client.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

struct VersionsFlags {
  std::string server = kDefaultServer;
  std::string token_file;
  TlsOptions tls;
  std::string wanted;  // Of activate.
};

absl::StatusOr<std::unique_ptr<ParametersClient>> Connect(const VersionsFlags& flags) {
  ParametersClientOptions options;
  ASSIGN_OR_RETURN(options.token, ReadToken(flags.token_file));
  RETURN_IF_ERROR(CheckTls(flags.tls));
  options.tls = flags.tls;
  return std::make_unique<ParametersClient>(flags.server, options);
}

std::string Line(const v1::ParameterVersion& version, absl::string_view mark, bool durable) {
  return absl::StrCat(mark, " epoch ", version.epoch(), "  sequence ", version.sequence(), "  ", version.digest(),
                      durable ? "" : "  in memory only", "\n");
}

absl::Status List(const VersionsFlags& flags) {
  ASSIGN_OR_RETURN(const auto client, Connect(flags));
  ASSIGN_OR_RETURN(const v1::ListVersionsResponse held, client->ListVersions());
  for (const v1::HeldVersion& version : held.versions()) {
    const bool active = version.version().SerializeAsString() == held.active().SerializeAsString();
    std::cout << Line(version.version(), active ? "*" : " ", version.durable());
  }
  if (held.lease().epoch() > 0) {
    std::cout << absl::StrCat("lease: ", held.lease().holder(), ", epoch ", held.lease().epoch(),
                              held.lease_alive() ? ", publishing\n" : ", lapsed\n");
  }
  return absl::OkStatus();
}

absl::Status Activate(const VersionsFlags& flags) {
  ASSIGN_OR_RETURN(const auto client, Connect(flags));
  v1::ActivateRequest request;
  uint64_t sequence = 0;
  if (flags.wanted.size() < 64 && absl::SimpleAtoi(flags.wanted, &sequence)) {
    request.set_sequence(sequence);
  } else {
    request.set_digest(flags.wanted);
  }
  ASSIGN_OR_RETURN(const v1::ActivateResponse response, client->Activate(request));
  std::cout << Line(response.version(), "*", response.durable());
  return absl::OkStatus();
}

void AddServerFlags(CLI::App& command, VersionsFlags* flags) {
  command.add_option("--server", flags->server, "Of trimtabd")
      ->type_name("HOST:PORT")
      ->envname(kServerEnv)
      ->capture_default_str();
  AddTokenFlag(command, &flags->token_file);
  AddTlsFlags(command, &flags->tls);
}

}  // namespace

void AddVersions(CLI::App& app, Chosen* chosen) {
  auto flags = std::make_shared<VersionsFlags>();
  CLI::App* versions =
      app.add_subcommand("versions", "List the parameter versions a server holds, by their numbers; * is served.");
  AddServerFlags(*versions, flags.get());
  versions->callback([flags, chosen] { *chosen = [flags] { return List(*flags); }; });

  CLI::App* activate = app.add_subcommand("activate",
                                          "Serve a version again that the server holds.\n"
                                          "\n"
                                          "  trimtab versions\n"
                                          "  trimtab activate 3");
  AddServerFlags(*activate, flags.get());
  activate->add_option("version", flags->wanted, "Its number or its digest, as trimtab versions prints them")
      ->required()
      ->type_name("N");
  activate->callback([flags, chosen] { *chosen = [flags] { return Activate(*flags); }; });
}

}  // namespace trimtab
