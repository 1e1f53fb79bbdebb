#ifndef TRIMTAB_CLIENT_RICH_STATUS_H_
#define TRIMTAB_CLIENT_RICH_STATUS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace trimtab {

// A gRPC status with the google.rpc details it carries (DetailsOf): the field at fault is kept as model/field_error.h
// keeps it (FieldOf finds it), and the message names it where it does not yet.
absl::Status FromGrpc(const grpc::Status& status);

// The same as it goes over the wire, for who passes it on. Of a status that was never a gRPC one: code and message.
google::rpc::Status DetailsOf(const absl::Status& status);

// The reason in the server's ErrorInfo, such as "NOT_BEGUN"; empty without one.
std::string ErrorReasonOf(const grpc::Status& status);

// The server's RetryInfo, if it sent one.
std::optional<absl::Duration> RetryDelayOf(const grpc::Status& status);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_RICH_STATUS_H_
