#include "server/rim/admin_service.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/field_error.h"
#include "model/status_macros.h"
#include "server/rim/call.h"
#include "server/rim/wire.h"

namespace trimtab {
namespace {

constexpr int kMaxWeightings = 256;

// What to mix, and the reply as far as it is known before.
struct PreparedPrewarm {
  std::shared_ptr<const Parameters> parameters;
  std::vector<Coefficients> keys;
  v1::PrewarmResponse reply;
};

absl::StatusOr<PreparedPrewarm> PreparePrewarm(const SummarizerParts& parts, const Call& call,
                                               const grpc::ByteBuffer& bytes) {
  RETURN_IF_ERROR(call.allowed());
  v1::PrewarmRequest request;
  RETURN_IF_ERROR(ParseMessage(bytes, &request));
  const int count = request.weightings_size();
  if (count < 1 || count > kMaxWeightings) {
    return InvalidField("weightings", absl::StrCat("has ", count, " entries; expected 1 to ", kMaxWeightings));
  }
  PreparedPrewarm prepared;
  prepared.parameters = parts.store->Current();
  for (int i = 0; i < count; ++i) {
    const std::string field = absl::StrCat("weightings[", i, "]");
    RETURN_IF_ERROR(CheckSteering(field, request.weightings(i)));
    ASSIGN_OR_RETURN(const Steering steering,
                     ResolveAt(field, prepared.parameters->clp(), parts.bounds, parts.grid, request.weightings(i)));
    prepared.keys.push_back(steering.coefficients);
    *prepared.reply.add_results()->mutable_weighting() = WeightingToProto(steering);
  }
  return prepared;
}

class PrewarmCall final : public grpc::ServerUnaryReactor {
 public:
  PrewarmCall(const SummarizerParts& parts, MixedWeightCache* cache, const grpc::CallbackServerContext& context,
              const grpc::ByteBuffer& bytes, grpc::ByteBuffer* response)
      : call_(parts, "Prewarm", context, Role::kAdmin), response_(response) {
    absl::StatusOr<PreparedPrewarm> prepared = PreparePrewarm(parts, call_, bytes);
    if (!prepared.ok()) {
      Finish(call_.End(prepared.status()));
      return;
    }
    reply_ = std::move(prepared->reply);
    cache->Prewarm(std::move(prepared->parameters), std::move(prepared->keys),
                   [this](size_t i, const absl::Status& status) { return OnKey(static_cast<int>(i), status); });
  }

  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  // Nothing of this may be touched after Finish.
  bool OnKey(int i, const absl::Status& status) {
    v1::PrewarmResult* result = reply_.mutable_results(i);
    result->set_resident(status.ok());
    result->set_reason(std::string(status.message()));
    if (cancelled_) {
      Finish(call_.End(absl::CancelledError("the caller is gone")));
      return false;
    }
    if (i + 1 < reply_.results_size()) return true;
    WriteMessage(reply_, response_);
    Finish(call_.End(absl::OkStatus()));
    return false;
  }

  Call call_;
  grpc::ByteBuffer* const response_;
  v1::PrewarmResponse reply_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace

grpc::ServerUnaryReactor* AdminService::Prewarm(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                grpc::ByteBuffer* response) {
  return new PrewarmCall(parts_, cache_, *context, *request, response);
}

}  // namespace trimtab
