// Messages of the contract as JSON, by protobuf's own mapping with the names of the proto files.
#ifndef TRIMTAB_CLIENT_GATEWAY_JSON_H_
#define TRIMTAB_CLIENT_GATEWAY_JSON_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"

namespace trimtab {

// InvalidArgument, saying where, for text that is not JSON, is nested too deep, or has an unknown field or a value of
// the wrong type. Limits of values are the server's.
absl::Status FromJson(absl::string_view text, google::protobuf::Message* message);

// On one line. Fields without presence are there even when empty or 0.
std::string ToJson(const google::protobuf::Message& message);

// An error as HTTP tells it.
struct HttpError {
  int status = 500;
  // {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "...", "param": "steering.weights" or null,
  //            "type": "invalid_request_error" or "server_error", "details": [google.rpc messages with "@type"]}}
  // "param" and "type" are there for clients that know OpenAI's errors.
  std::string body;
  std::optional<int> retry_after;  // Whole seconds, at least 1.
};
HttpError ErrorOf(const absl::Status& status);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_GATEWAY_JSON_H_
