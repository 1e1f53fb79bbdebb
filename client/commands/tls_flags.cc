#include "client/commands/tls_flags.h"

namespace trimtab {

void AddTlsFlags(CLI::App& app, TlsOptions* tls, const std::string& prefix) {
  app.add_flag("--tls", tls->enabled, "Call the server over TLS and trust the system's authorities")
      ->envname(prefix + "TLS")
      ->group("TLS");
  const auto add = [&](const char* flag, const char* name, std::string& value, const char* type, const char* help) {
    app.add_option(flag, value, help)->type_name(type)->envname(prefix + name)->group("TLS");
  };
  add("--tls-ca", "TLS_CA", tls->ca, "FILE", "The same, but trust the authorities in this PEM file");
  add("--tls-certificate", "TLS_CERTIFICATE", tls->certificate, "FILE",
      "PEM to show to servers that ask, with --tls-key");
  add("--tls-key", "TLS_KEY", tls->key, "FILE", "PEM of its key");
  add("--tls-server-name", "TLS_SERVER_NAME", tls->server_name, "NAME",
      "What the server's certificate must name, where that is not the host of --server");
}

}  // namespace trimtab
