// trimtabd: parse, load, serve until a signal, drain.
#include <malloc.h>
#include <pthread.h>

#include <csignal>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/stop_signals.h"
#include "model/mixed_weights.h"
#include "server/rim/load_model.h"
#include "server/rim/logging.h"
#include "server/rim/options.h"
#include "server/rim/server.h"
#include "server/rim/tls.h"
#include "spdlog/spdlog.h"

namespace trimtab {
namespace {

constexpr int kCannotServe = 1;
constexpr int kUnusable = 2;

// glibc learns from large blocks that come back to keep their like for itself: tens of megabytes after some versions
// have arrived. Once set, its bounds stay. Each of its arenas keeps what one burst of calls took: few keep little.
void KeepLittleMemory() {
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 8 << 20);
  mallopt(M_ARENA_MAX, 2);
}

// Of threads to come. The usual 8 MiB each count against RLIMIT_DATA and RLIMIT_AS, touched or not.
void MakeStacksSmall() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 20);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

int Fail(const absl::Status& status) {
  const bool unusable =
      absl::IsNotFound(status) || absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
  std::cerr << absl::StrCat("trimtabd: ", absl::StrReplaceAll(status.message(), {{"\n", " "}}), "\n");
  return unusable ? kUnusable : kCannotServe;
}

int Check(ServerOptions options) {
  options.state_dir.clear();  // Belongs to the server that runs.
  if (!options.tls_certificate.empty()) {
    const auto certificates = LoadCertificates(TlsFilesOf(options), absl::Now());
    if (!certificates.ok()) return Fail(certificates.status());
  }
  const Disk disk;
  const auto model = LoadModel(options, &disk);
  if (!model.ok()) return Fail(model.status());
  const Parameters& parameters = *model->parameters;
  std::cout << absl::StrCat("ok: ", parameters.clp().name, ", ", parameters.clp().rewards.size(), " rewards, ",
                            parameters.bytes(), " bytes, one mixture ", MixedWeights::Bytes(parameters),
                            " bytes, digest ", parameters.version().digest, "\n");
  return 0;
}

int Serve(const ServerOptions& options) {
  BlockStopSignals();  // Before any thread starts.

  const auto server = Server::Start(options);
  if (!server.ok()) return Fail(server.status());
  std::cout << absl::StrCat("listening grpc=", (*server)->grpc_address(), " metrics=", (*server)->metrics_address(),
                            "\n")
            << std::flush;
  spdlog::info("got {}", WaitForStop() == SIGTERM ? "SIGTERM" : "SIGINT");
  (*server)->Drain();
  return 0;
}

}  // namespace
}  // namespace trimtab

int main(int argc, char** argv) {
  using trimtab::CommandLine;
  trimtab::KeepLittleMemory();
  trimtab::MakeStacksSmall();
  const CommandLine line = trimtab::ParseCommandLine(argc, argv);
  if (line.action == CommandLine::Action::kExit) {
    (line.exit_code == 0 ? std::cout : std::cerr) << line.output;
    return line.exit_code;
  }
  trimtab::SetUpLogging(line.options.log_format, line.options.log_level);
  return line.action == CommandLine::Action::kCheck ? trimtab::Check(line.options) : trimtab::Serve(line.options);
}
