// trimtab-gateway: flags, serve until a signal, finish what is under way.
#include <csignal>
#include <iostream>
#include <memory>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/commands/tls_flags.h"
#include "client/gateway/gateway.h"
#include "client/version.h"
#include "common/completion.h"

namespace trimtab {
namespace {

constexpr int kCannotServe = 1;
constexpr int kUsage = 2;

constexpr char kFooter[] =
    "Prints one line with its address when it is ready. Every flag may come from the environment: "
    "TRIMTAB_GATEWAY_LISTEN\n"
    "for --listen. Exit codes: 0 after SIGTERM or SIGINT; 1 when it cannot serve; 2 for a command line that cannot be "
    "used.";

struct Flags {
  GatewayOptions options;
  double timeout = 60.0;
};

void AddFlags(CLI::App& app, Flags* flags) {
  GatewayOptions& options = flags->options;
  app.add_option("--listen", options.listen, "HOST:PORT to serve HTTP on; port 0: a free one")
      ->envname("TRIMTAB_GATEWAY_LISTEN")
      ->capture_default_str();
  app.add_option("--server", options.servers, "trimtabd, as HOST:PORT; several with commas between them")
      ->envname("TRIMTAB_GATEWAY_SERVER")
      ->capture_default_str();
  app.add_option(
         "--metrics", options.metrics,
         "HOST:PORT of --metrics-listen of the servers, and of a trainer's metrics, with commas between them: the "
         "page shows throughput and rewards; empty: it does not")
      ->envname("TRIMTAB_GATEWAY_METRICS");
  app.add_option("--timeout-seconds", flags->timeout, "Of one call to the server, its retries included")
      ->envname("TRIMTAB_GATEWAY_TIMEOUT_SECONDS")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--max-connections", options.max_connections, "Served at once, a thread each; more wait")
      ->envname("TRIMTAB_GATEWAY_MAX_CONNECTIONS")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  app.add_option("--max-body-bytes", options.max_body_bytes, "Of one request; larger ones are refused")
      ->envname("TRIMTAB_GATEWAY_MAX_BODY_BYTES")
      ->check(CLI::Range(1024, 16 << 20))
      ->capture_default_str();
  app.add_option("--cors-origin", options.cors_origin, "Origin whose pages may call; * for any, empty for none")
      ->envname("TRIMTAB_GATEWAY_CORS_ORIGIN");
  AddTlsFlags(app, &options.tls, "TRIMTAB_GATEWAY_");
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int Complain(absl::string_view message, int code) {
  std::cerr << absl::StrCat("trimtab-gateway: ", message, "\n");
  return code;
}

int Serve(const GatewayOptions& options) {
  // Before any thread starts, so that all of them leave these signals to sigwait.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const absl::Status tls = CheckTls(options.tls);
  if (!tls.ok()) return Complain(tls.message(), kUsage);
  const auto gateway = Gateway::Start(options);
  if (!gateway.ok()) return Complain(gateway.status().message(), kCannotServe);
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  std::cout << absl::StrCat("listening http=", host, ":", (*gateway)->port(), "\n") << std::flush;
  int signal = 0;
  sigwait(&signals, &signal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // A second one ends the process.
  return 0;
}

}  // namespace
}  // namespace trimtab

int main(int argc, char** argv) {
  CLI::App app("HTTP, JSON and a web page in front of trimtabd.", "trimtab-gateway");
  app.footer(trimtab::kFooter);
  app.set_version_flag("--version", absl::StrCat("trimtab-gateway ", TRIMTAB_VERSION, " (", TRIMTAB_COMMIT, ")"));
  trimtab::AddCompletion(app);
  trimtab::Flags flags;
  trimtab::AddFlags(app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::Error& error) {
    return trimtab::Complain(absl::StrCat(error.what(), " (see --help)"), trimtab::kUsage);
  }
  flags.options.timeout = absl::Seconds(flags.timeout);
  return trimtab::Serve(flags.options);
}
