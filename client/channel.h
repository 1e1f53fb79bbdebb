// The one place that connects to servers.
#ifndef TRIMTAB_CLIENT_CHANNEL_H_
#define TRIMTAB_CLIENT_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"

namespace trimtab {

// How to reach a server. Files are PEM, and symbolic links to them are followed.
struct TlsOptions {
  bool enabled = false;          // Implied by any of the others; alone: the system's authorities are trusted.
  std::string ca = "";           // File of the authorities to trust instead.
  std::string certificate = "";  // File of what is shown to servers that ask, with its chain; with `key`.
  std::string key = "";
  std::string server_name = "";  // What the server's certificate must name; empty: the host that is connected to.

  bool on() const { return enabled || !ca.empty() || !certificate.empty() || !key.empty() || !server_name.empty(); }
};

// NotFound or InvalidArgument for files that cannot be read, or one of certificate and key without the other. For who
// wants to know before connecting.
absl::Status CheckTls(const TlsOptions& tls);

// The same, for a connection to an address of `host` whose certificate names the host.
TlsOptions TlsTo(const std::string& host, TlsOptions tls);

// Connects with the first call. The files are read now; where they cannot be, every call fails with UNAVAILABLE or
// INVALID_ARGUMENT.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& server, const TlsOptions& tls,
                                          grpc::ChannelArguments arguments);

// What an UNAVAILABLE of a connection means and what to do about it, where its message tells: that one side speaks TLS
// and the other does not, or which part of a certificate is at fault. Other statuses pass. Pure.
absl::Status ExplainTls(const absl::Status& status, const TlsOptions& tls);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_CHANNEL_H_
