#ifndef TRIMTAB_CLIENT_COMMANDS_TLS_FLAGS_H_
#define TRIMTAB_CLIENT_COMMANDS_TLS_FLAGS_H_

#include <string>

#include "CLI/CLI.hpp"
#include "client/channel.h"

namespace trimtab {

// --tls, --tls-ca, --tls-certificate, --tls-key and --tls-server-name, or `prefix` TLS, `prefix` TLS_CA and so on in
// the environment. `tls` must outlive the parse.
void AddTlsFlags(CLI::App& app, TlsOptions* tls, const std::string& prefix = "TRIMTAB_");

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_TLS_FLAGS_H_
