#ifndef TRIMTAB_SERVER_RIM_PARAMETERS_CONVERT_H_
#define TRIMTAB_SERVER_RIM_PARAMETERS_CONVERT_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/parameter_updates.h"
#include "trimtab/v1/parameters.pb.h"

namespace trimtab {

// The contract of trimtab.v1.Parameters to core and back. Errors are InvalidArgument and name the field by its path in
// PublishRequest.step or ActivateRequest; limits are those of the contract.

inline constexpr size_t kMaxChunkBytes = size_t{1} << 20;

absl::StatusOr<LeaseName> LeaseFromProto(const v1::Lease& lease);
// All but the lease. Whether it fits the model is for Staging to say.
absl::StatusOr<Manifest> ManifestFromProto(const v1::Begin& begin);
absl::Status CheckChunk(const v1::Chunk& chunk);
absl::Status CheckActivate(const v1::ActivateRequest& request);

v1::Committed CommittedToProto(const ParameterUpdates::Outcome& outcome);
void HeldToProto(const ParameterUpdates::Held& held, v1::ListVersionsResponse* response);
// A version with every published tensor, raw. FailedPrecondition for a type that is never published (F16).
absl::StatusOr<v1::Begin> DescribeVersion(const Checkpoint& checkpoint);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_PARAMETERS_CONVERT_H_
