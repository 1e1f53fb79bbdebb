#ifndef TRIMTAB_CLIENT_PUBLISHER_H_
#define TRIMTAB_CLIENT_PUBLISHER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/parameters_client.h"
#include "model/checkpoint.h"

namespace trimtab {

// What became of a version on one of several servers.
struct ReplicaOutcome {
  std::string endpoint;
  absl::Status status;  // OK: `result` tells. Aborted: another publisher has taken over there.
  PushResult result;
  bool whole = false;  // Sent whole: this server did not have the parent.
};

struct PublishReport {
  v1::ParameterVersion version;
  std::vector<ReplicaOutcome> replicas;
  bool all_ok() const;
};

struct PublisherOptions {
  std::string holder;  // Of the lease: 1 to 64 characters of [A-Za-z0-9._-]; empty: host, process and a random number.
  ParametersClientOptions client;
  // With TLS: what the certificate of each endpoint must name, unless client.tls says it for all. Others: its address.
  std::map<std::string, std::string> hosts = {};
};

// Publishes version after version to several servers under one lease. Each server gets what it lacks: a delta where it
// serves the version that was published before, else all of it, so one that was away catches up by itself. The versions
// have the same names everywhere. Blocks; not thread-safe.
class Publisher {
 public:
  Publisher(const std::vector<std::string>& endpoints, PublisherOptions options);

  // Sends `next`, whose digest names the version. `parent` is the state before, for deltas; null: send all of it.
  // Servers are pushed to at the same time, and one that fails does not hold the others up: see the report.
  // Unavailable when no server answers; InvalidArgument for parameters that cannot be published.
  absl::StatusOr<PublishReport> Publish(const Checkpoint& next, const Checkpoint* parent);

  uint64_t epoch() const { return epoch_; }  // Of the lease; 0 before the first Publish.

 private:
  struct Replica {
    std::string endpoint;
    std::unique_ptr<ParametersClient> client;
  };

  absl::StatusOr<std::vector<absl::StatusOr<v1::ListVersionsResponse>>> Survey();

  const PublisherOptions options_;
  std::vector<Replica> replicas_;
  uint64_t epoch_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_PUBLISHER_H_
