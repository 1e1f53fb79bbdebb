#include "server/rim/grpc_status.h"

#include <optional>
#include <string>

#include "google/rpc/code.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "model/field_error.h"
#include "server/error_reason.h"

namespace trimtab {
namespace {

absl::string_view Reason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return "INVALID_REQUEST";
    case absl::StatusCode::kResourceExhausted:
      return "OVERLOADED";
    case absl::StatusCode::kFailedPrecondition:
      return "PARAMS_VERSION_UNAVAILABLE";
    default:
      return CodeName(code);
  }
}

void AddDetails(const absl::Status& status, google::rpc::Status* rich) {
  google::rpc::ErrorInfo info;
  info.set_domain("trimtab");
  info.set_reason(ReasonOf(status).value_or(std::string(Reason(status.code()))));
  rich->add_details()->PackFrom(info);

  if (const std::optional<std::string> field = FieldOf(status)) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(*field);
    violation->set_description(std::string(status.message()));
    rich->add_details()->PackFrom(bad_request);
  }
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(kRetryDelay)));
    rich->add_details()->PackFrom(retry);
  }
}

}  // namespace

absl::string_view CodeName(absl::StatusCode code) {
  const std::string& name = google::rpc::Code_Name(static_cast<google::rpc::Code>(code));
  return name.empty() ? "UNKNOWN" : absl::string_view(name);
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(std::string(status.message()));
  AddDetails(status, &rich);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), rich.message(), rich.SerializeAsString());
}

}  // namespace trimtab
