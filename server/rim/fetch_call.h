#ifndef TRIMTAB_SERVER_RIM_FETCH_CALL_H_
#define TRIMTAB_SERVER_RIM_FETCH_CALL_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/grpcpp.h"
#include "model/checkpoint.h"
#include "model/published.h"
#include "server/rim/parameters_service.h"

namespace trimtab {

// One Fetch stream: the version, then its bytes, a message at a time. Holds the version until it ends. Deletes itself
// when gRPC is done with it.
class FetchCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // Ends at once unless `allowed` is OK.
  FetchCall(const ParametersParts& parts, const absl::Status& allowed, const grpc::ByteBuffer& request);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  absl::Status Start(const grpc::ByteBuffer& request);  // Writes the first message.
  void End(const absl::Status& status);

  const ParametersParts parts_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::vector<PublishedTensor> places_;
  size_t place_ = 0, offset_ = 0;  // Of the next chunk.
  grpc::ByteBuffer out_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_FETCH_CALL_H_
