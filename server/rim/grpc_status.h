#ifndef TRIMTAB_SERVER_RIM_GRPC_STATUS_H_
#define TRIMTAB_SERVER_RIM_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace trimtab {

// What RetryInfo tells a caller who met a full queue.
inline constexpr absl::Duration kRetryDelay = absl::Milliseconds(250);

// The one translation of our errors to gRPC. Errors carry a google.rpc.Status in grpc-status-details-bin with
//   ErrorInfo{domain "trimtab", reason as below} always,
//   BadRequest naming the field when the status has one (model/field_error.h),
//   RetryInfo{kRetryDelay} for ResourceExhausted.
// Reasons: what the error says itself (server/error_reason.h), else INVALID_REQUEST, OVERLOADED (ResourceExhausted),
// PARAMS_VERSION_UNAVAILABLE (FailedPrecondition), else the name of the code.
grpc::Status ToGrpc(const absl::Status& status);

// "OK", "INVALID_ARGUMENT", ...: how gRPC and our metrics name a code.
absl::string_view CodeName(absl::StatusCode code);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_GRPC_STATUS_H_
