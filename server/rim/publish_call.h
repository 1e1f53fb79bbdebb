#ifndef TRIMTAB_SERVER_RIM_PUBLISH_CALL_H_
#define TRIMTAB_SERVER_RIM_PUBLISH_CALL_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "server/parameter_updates.h"
#include "server/rim/parameters_service.h"
#include "trimtab/v1/parameters.pb.h"

namespace trimtab {

// One Publish stream: Begin, chunks, Commit. One message is read at a time; what was staged stays when the stream
// breaks. Deletes itself when gRPC is done with it.
class PublishCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // Ends at once unless `allowed` is OK.
  PublishCall(const ParametersParts& parts, const absl::Status& allowed);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  absl::Status Take(const v1::PublishRequest& request);
  absl::Status Begin(const v1::Begin& begin);
  absl::Status Add(const v1::Chunk& chunk);
  void Commit(const v1::Commit& commit);
  void OnCommitted(absl::StatusOr<ParameterUpdates::Outcome> outcome);
  void End(const absl::Status& status);

  const ParametersParts parts_;
  grpc::ByteBuffer in_, out_;
  bool begun_ = false;
  uint64_t ticket_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_PUBLISH_CALL_H_
