#ifndef TRIMTAB_CLIENT_PARAMETERS_CLIENT_H_
#define TRIMTAB_CLIENT_PARAMETERS_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/channel.h"
#include "client/publication.h"
#include "client/rich_status.h"
#include "grpcpp/grpcpp.h"
#include "trimtab/v1/parameters.grpc.pb.h"

namespace trimtab {

struct ParametersClientOptions {
  std::string token = "";                           // Bearer token; empty: none.
  absl::Duration call_timeout = absl::Seconds(30);  // Of a small call.
  absl::Duration push_timeout = absl::Minutes(30);  // Of one version, all attempts included.
  int max_attempts = 8;                             // Of one version.
  absl::Duration initial_backoff = absl::Milliseconds(200);
  TlsOptions tls = {};  // Its files are read once.
};

// What became of a version on one server.
struct PushResult {
  v1::ParameterVersion version;
  bool durable = false;
  int attempts = 1;        // Streams it took.
  int64_t bytes_sent = 0;  // Of tensors, those sent again included.
};

// Calls trimtab.v1.Parameters of one server. Blocks; errors carry the server's message. Thread-safe.
class ParametersClient {
 public:
  explicit ParametersClient(const std::string& endpoint, const ParametersClientOptions& options = {});

  absl::StatusOr<v1::ListVersionsResponse> ListVersions() const;
  absl::StatusOr<v1::ActivateResponse> Activate(const v1::ActivateRequest& request) const;

  // Sends a version until the server has committed it. A stream that breaks is taken up again where it was; after a
  // Commit without an answer, the next Begin asks whether the version stands. Tries again after UNAVAILABLE, CANCELLED,
  // DATA_LOSS, RESOURCE_EXHAUSTED with RetryInfo, and where the lease lapsed on the way. `begin` is complete but for
  // the manifest.
  absl::StatusOr<PushResult> Push(v1::Begin begin, const Publication& publication) const;

  // Passes a version that `peer` holds on to this server, without keeping it: what a server needs that missed it. It
  // goes under the lease that peer knows, so the publisher keeps its place. `digest` empty: what peer serves.
  absl::StatusOr<PushResult> CatchUp(const ParametersClient& peer, std::string digest) const;

 private:
  using Stream = grpc::ClientReaderWriter<v1::PublishRequest, v1::PublishResponse>;
  // Writes the chunks of a stream that has begun. False: the stream broke; its end tells why.
  using SendChunks = std::function<bool(Stream& stream, const v1::Begun& begun, int64_t* bytes_sent)>;

  absl::Status Told(const grpc::Status& status) const { return ExplainTls(FromGrpc(status), options_.tls); }
  void Prepare(grpc::ClientContext& context, absl::Time deadline) const;
  grpc::Status PushOnce(const v1::Begin& begin, const SendChunks& send, absl::Time deadline, PushResult* result) const;
  absl::StatusOr<PushResult> PushUntilDone(const v1::Begin& begin, const SendChunks& send) const;

  const ParametersClientOptions options_;
  const std::unique_ptr<v1::Parameters::Stub> stub_;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_PARAMETERS_CLIENT_H_
