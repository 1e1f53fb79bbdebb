#include "client/gateway/json.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/rich_status.h"
#include "google/protobuf/util/json_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "model/field_error.h"
#include "model/strict_json.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::optional<int> RetryAfter(const google::rpc::Status& rich) {
  for (const google::protobuf::Any& any : rich.details()) {
    google::rpc::RetryInfo retry;
    if (!any.Is<google::rpc::RetryInfo>() || !any.UnpackTo(&retry)) continue;
    const int64_t seconds = retry.retry_delay().seconds() + (retry.retry_delay().nanos() > 0 ? 1 : 0);
    return static_cast<int>(std::clamp<int64_t>(seconds, 1, 3600));
  }
  return std::nullopt;
}

// The details as JSON; an empty list where one of them is of a type that this binary does not know.
nlohmann::ordered_json Details(const google::rpc::Status& rich) {
  const auto json = nlohmann::ordered_json::parse(ToJson(rich), nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.contains("details") ? json["details"] : nlohmann::ordered_json::array();
}

}  // namespace

absl::Status FromJson(absl::string_view text, google::protobuf::Message* message) {
  // Before protobuf's parser: that one takes duplicate keys, comments and more that is not JSON.
  if (const auto strict = ParseStrictJson(text, "body"); !strict.ok()) return strict.status();
  google::protobuf::util::JsonParseOptions options;
  options.case_insensitive_enum_parsing = false;
  const auto status = google::protobuf::util::JsonStringToMessage({text.data(), text.size()}, message, options);
  if (status.ok()) return absl::OkStatus();
  constexpr size_t kMaxShown = 512;
  return absl::InvalidArgumentError(
      absl::StrCat("body is no ", message->GetDescriptor()->name(), ": ",
                   absl::string_view(status.message().data(), status.message().size()).substr(0, kMaxShown)));
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "{}";
  return json;
}

HttpError ErrorOf(const absl::Status& status) {
  const google::rpc::Status rich = DetailsOf(status);
  HttpError error;
  error.status = HttpStatusOf(status.code());
  error.retry_after = RetryAfter(rich);
  nlohmann::ordered_json body;
  body["code"] = error.status;
  body["status"] = absl::StatusCodeToString(status.code());
  body["message"] = std::string(status.message());
  const std::optional<std::string> field = FieldOf(status);
  body["param"] = field.has_value() ? nlohmann::ordered_json(*field) : nlohmann::ordered_json();
  body["type"] = error.status < 500 ? "invalid_request_error" : "server_error";
  body["details"] = Details(rich);
  const nlohmann::ordered_json whole = {{"error", std::move(body)}};
  error.body = whole.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return error;
}

}  // namespace trimtab
