#ifndef TRIMTAB_SERVER_RIM_ADMIN_SERVICE_H_
#define TRIMTAB_SERVER_RIM_ADMIN_SERVICE_H_

#include <utility>

#include "grpcpp/grpcpp.h"
#include "server/mixed_weight_cache.h"
#include "server/rim/summarizer_service.h"
#include "trimtab/v1/admin.grpc.pb.h"

namespace trimtab {

// trimtab.v1.Admin: translates and hands on; blocks no gRPC thread, as the cache answers when it is done. Thread-safe.
// Raw methods: see wire.h.
class AdminService final : public v1::Admin::WithRawCallbackMethod_Prewarm<v1::Admin::Service> {
 public:
  // `cache` must outlive the service and all its calls.
  AdminService(SummarizerParts parts, MixedWeightCache* cache) : parts_(std::move(parts)), cache_(cache) {}

  grpc::ServerUnaryReactor* Prewarm(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;

 private:
  const SummarizerParts parts_;
  MixedWeightCache* const cache_;
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_ADMIN_SERVICE_H_
