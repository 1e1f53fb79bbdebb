// trimtab-gateway: flags, serve until a signal, finish what is under way.
#include <exception>
#include <iostream>
#include <memory>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/commands/tls_flags.h"
#include "client/gateway/gateway.h"
#include "client/version.h"
#include "common/completion.h"
#include "common/help.h"
#include "common/open_files.h"
#include "common/stop_signals.h"

namespace trimtab {
namespace {

constexpr int kCannotServe = 1;
constexpr int kUsage = 2;

constexpr char kDescription[] =
    "HTTP, JSON and a web page in front of trimtabd.\n"
    "\n"
    "Prints one line with its address when it is ready. Every flag may come from the environment.\n"
    "\n"
    "  trimtab-gateway --metrics 127.0.0.1:9090\n"
    "  trimtab-gateway --listen 0.0.0.0:8080 --server host-a:50051,host-b:50051 --tls-ca ca.pem";
constexpr char kFooter[] =
    "Exit codes: 0 after SIGTERM or SIGINT; 1 when it cannot serve; 2 for a command line that cannot be "
    "used.";

struct Flags {
  GatewayOptions options;
  double timeout = 60.0;
};

void AddFlags(CLI::App& app, Flags* flags) {
  GatewayOptions& options = flags->options;
  app.add_option("--listen", options.listen, "Address of HTTP; port 0 takes a free one")
      ->type_name("HOST:PORT")
      ->envname("TRIMTAB_GATEWAY_LISTEN")
      ->capture_default_str();
  app.add_option("--server", options.servers, "trimtabd; several with commas between them")
      ->type_name("HOST:PORT,...")
      ->envname("TRIMTAB_GATEWAY_SERVER")
      ->capture_default_str();
  app.add_option(
         "--metrics", options.metrics,
         "What --metrics-listen of the servers names, and `metrics` of a training: the page shows throughput and "
         "rewards from there. Default: none, and it does not")
      ->type_name("HOST:PORT,...")
      ->envname("TRIMTAB_GATEWAY_METRICS");
  app.add_option("--timeout-seconds", flags->timeout, "For one call to the server, its retries included")
      ->type_name("SECONDS")
      ->envname("TRIMTAB_GATEWAY_TIMEOUT_SECONDS")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--max-connections", options.max_connections,
                 "Served at once, a thread and an open file each; more wait")
      ->type_name("N")
      ->envname("TRIMTAB_GATEWAY_MAX_CONNECTIONS")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  app.add_option("--max-body-bytes", options.max_body_bytes, "Of one request; larger ones are refused")
      ->type_name("BYTES")
      ->envname("TRIMTAB_GATEWAY_MAX_BODY_BYTES")
      ->check(CLI::Range(1024, 16 << 20))
      ->capture_default_str();
  app.add_option("--cors-origin", options.cors_origin,
                 "Whose pages may call, such as https://example.org, or * for any. Default: only its own")
      ->type_name("ORIGIN")
      ->envname("TRIMTAB_GATEWAY_CORS_ORIGIN");
  AddTlsFlags(app, &options.tls, "TRIMTAB_GATEWAY_");
}

int Complain(absl::string_view message, int code) {
  std::cerr << absl::StrCat("trimtab-gateway: ", message, "\n");
  return code;
}

// A file each, and one more that waits to be served. Others: calls to the servers, epoll, standard streams.
void FitConnectionsIntoOpenFiles(GatewayOptions* options) {
  constexpr size_t kOtherFiles = 128;
  const size_t files = AllowOpenFiles(options->max_connections + 1 + kOtherFiles);
  const size_t fitting = files > 1 + kOtherFiles ? files - 1 - kOtherFiles : 1;
  if (fitting >= options->max_connections) return;
  std::cerr << absl::StrCat("trimtab-gateway: warning: ", files, " files may be open here, so at most ", fitting,
                            " connections are served at once and not ", options->max_connections,
                            "; raise the hard limit (ulimit -Hn, LimitNOFILE=) or lower --max-connections\n");
  options->max_connections = fitting;
}

int Serve(GatewayOptions options) {
  BlockStopSignals();  // Before any thread starts.
  const absl::Status tls = CheckTls(options.tls);
  if (!tls.ok()) return Complain(tls.message(), kUsage);
  FitConnectionsIntoOpenFiles(&options);
  const auto gateway = Gateway::Start(options);
  if (!gateway.ok()) return Complain(gateway.status().message(), kCannotServe);
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  std::cout << absl::StrCat("listening http=", host, ":", (*gateway)->port(), "\n") << std::flush;
  WaitForStop();
  return 0;
}

}  // namespace
}  // namespace trimtab

int main(int argc, char** argv) try {
  CLI::App app(trimtab::kDescription, "trimtab-gateway");
  app.footer(trimtab::kFooter);
  app.set_version_flag("--version", absl::StrCat("trimtab-gateway ", TRIMTAB_VERSION, " (", TRIMTAB_COMMIT, ")"));
  app.formatter(std::make_shared<trimtab::HelpFormatter>());
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
} catch (const std::exception& error) {
  return trimtab::Complain(error.what(), trimtab::kCannotServe);
}
