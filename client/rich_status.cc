#include "client/rich_status.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "model/field_error.h"

namespace trimtab {
namespace {

constexpr char kDetailsPayload[] = "type.googleapis.com/google.rpc.Status";

template <typename Detail>
std::optional<Detail> FindDetail(const grpc::Status& status) {
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) return std::nullopt;
  for (const google::protobuf::Any& any : rich.details()) {
    Detail detail;
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const auto with_details = [&](absl::Status result) {
    if (!status.error_details().empty()) result.SetPayload(kDetailsPayload, absl::Cord(status.error_details()));
    return result;
  };
  const auto bad_request = FindDetail<google::rpc::BadRequest>(status);
  if (!bad_request.has_value() || bad_request->field_violations().empty()) {
    return with_details(absl::Status(code, status.error_message()));
  }
  const std::string& field = bad_request->field_violations(0).field();
  std::string message = status.error_message();
  if (!absl::StrContains(message, field)) message = absl::StrCat(field, ": ", message);
  absl::Status result(code, message);
  result.SetPayload(kFieldPayload, absl::Cord(field));
  return with_details(std::move(result));
}

google::rpc::Status DetailsOf(const absl::Status& status) {
  google::rpc::Status rich;
  if (const auto payload = status.GetPayload(kDetailsPayload)) rich.ParseFromString(std::string(*payload));
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(std::string(status.message()));
  return rich;
}

std::string ErrorReasonOf(const grpc::Status& status) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "";
}

std::optional<absl::Duration> RetryDelayOf(const grpc::Status& status) {
  const auto retry = FindDetail<google::rpc::RetryInfo>(status);
  if (!retry.has_value()) return std::nullopt;
  return absl::Seconds(retry->retry_delay().seconds()) + absl::Nanoseconds(retry->retry_delay().nanos());
}

}  // namespace trimtab
