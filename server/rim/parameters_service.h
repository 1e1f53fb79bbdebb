#ifndef TRIMTAB_SERVER_RIM_PARAMETERS_SERVICE_H_
#define TRIMTAB_SERVER_RIM_PARAMETERS_SERVICE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"
#include "server/metrics.h"
#include "server/parameter_updates.h"
#include "server/rim/tokens.h"
#include "trimtab/v1/parameters.grpc.pb.h"

namespace trimtab {

// The pointees must outlive the service and all its calls.
struct ParametersParts {
  ParameterUpdates* updates = nullptr;
  Metrics* metrics = nullptr;
  const Tokens* tokens = nullptr;  // Null: everybody may.
};

// trimtab.v1.Parameters: translates and hands on. Chunks are checked and copied on the gRPC thread that brought them;
// the next is read when that is done, so a fast publisher is held back by HTTP/2's flow control. Thread-safe. Raw
// methods where the request carries text: see wire.h.
class ParametersService final
    : public v1::Parameters::WithRawCallbackMethod_Publish<v1::Parameters::WithCallbackMethod_ListVersions<
          v1::Parameters::WithRawCallbackMethod_Activate<v1::Parameters::WithRawCallbackMethod_Fetch<
              v1::Parameters::WithCallbackMethod_Watch<v1::Parameters::Service>>>>> {
 public:
  explicit ParametersService(const ParametersParts& parts) : parts_(parts) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Publish(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListVersions(grpc::CallbackServerContext* context, const v1::ListVersionsRequest* request,
                                         v1::ListVersionsResponse* response) override;
  grpc::ServerUnaryReactor* Activate(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Fetch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(grpc::CallbackServerContext* context,
                                                     const v1::WatchRequest* request) override;

 private:
  const ParametersParts parts_;
};

// Counts the end of a call, logs it, and says it in gRPC's terms.
grpc::Status EndParametersCall(const ParametersParts& parts, absl::string_view method, const absl::Status& status);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_PARAMETERS_SERVICE_H_
