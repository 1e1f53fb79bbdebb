#ifndef TRIMTAB_CLIENT_GATEWAY_GATEWAY_H_
#define TRIMTAB_CLIENT_GATEWAY_GATEWAY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/channel.h"

namespace trimtab {

struct GatewayOptions {
  std::string listen = "127.0.0.1:8080";             // HOST:PORT; port 0: a free one.
  std::string servers = "127.0.0.1:50051";           // trimtabd; several with commas between them.
  std::string metrics = "";                          // HOST:PORT,... of /metrics that /v1/live sums up; may be empty.
  TlsOptions tls = {};                               // Between the gateway and them.
  absl::Duration timeout = absl::Seconds(60);        // Of one call to them; a reply is given up after twice that.
  size_t max_connections = 1024;                     // Served at once, a thread each; more wait for their turn.
  size_t max_body_bytes = 4 << 20;                   // An article has at most 1 MiB, and JSON may escape it.
  absl::Duration read_timeout = absl::Seconds(10);   // For the next bytes of a request.
  absl::Duration write_timeout = absl::Seconds(10);  // Until a reader takes more of a reply.
  std::string cors_origin = "";  // Pages of this origin may call; "*": of any. Empty: only the gateway's own.
};

// HTTP and JSON in front of trimtabd, and the page that steers it. Serves on threads of its own until destroyed, which
// waits for the calls under way. What it takes and gives is in /openapi.json; bearer tokens and W3C trace contexts go
// through to the server.
class Gateway {
 public:
  // Unavailable when the address cannot be bound. The servers need not be there yet.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const GatewayOptions& options);
  ~Gateway();
  int port() const;

 private:
  struct Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_GATEWAY_H_
