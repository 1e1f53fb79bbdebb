#ifndef TRIMTAB_SERVER_RIM_SERVER_H_
#define TRIMTAB_SERVER_RIM_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/mixed_weight_cache.h"
#include "server/rim/options.h"

namespace trimtab {

// The whole server: gRPC with trimtab.v1.Summarizer, Admin and Parameters, health and reflection on one port, metrics
// and probes over HTTP on another. Thread-safe.
class Server {
 public:
  // Loads the model and serves: ready when this returns. NotFound, InvalidArgument or FailedPrecondition for a
  // checkpoint or options that cannot be used, Unavailable for an address that cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  // Stops at once what Drain has not ended.
  ~Server();

  // HOST:PORT as bound, for callers on this machine.
  std::string grpc_address() const;
  std::string metrics_address() const;

  // Not ready from now on (health NOT_SERVING, /readyz 503), but accepting for drain_accept_seconds; then refuses new
  // requests (UNAVAILABLE) while running ones have drain_seconds to finish; cancels the rest; closes the port.
  // Blocks until done. Safe to call again.
  void Drain();

  // For tests.
  MixedWeightCache::Stats cache_stats() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_SERVER_H_
