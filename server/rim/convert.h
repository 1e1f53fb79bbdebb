// Between the messages of the contract and the values of the core. Pure functions; thread-safe.
#ifndef TRIMTAB_SERVER_RIM_CONVERT_H_
#define TRIMTAB_SERVER_RIM_CONVERT_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/clp_config.h"
#include "model/generation.h"
#include "model/parameters.h"
#include "model/t5_config.h"
#include "server/scheduler.h"
#include "server/steering.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// What this server takes, whatever the contract allows.
struct RequestLimits {
  int32_t max_input_tokens = 512;  // A longer article is cut, and the reply says so.
  int32_t max_new_tokens = 128;
  int32_t max_beams = 8;  // At most the rows of the batch, so that every request fits in.
  // Of one exploration, in the scheduler at a time: so much that it can fill the batch, but never the queue.
  int32_t max_rows_at_once = 32;
  int32_t max_waiting = 128;
  bool deterministic = false;
};

inline constexpr size_t kMaxArticleBytes = size_t{1} << 20;
inline constexpr size_t kMaxNameBytes = 64;

// The errors below are InvalidArgument and name the field by its path in SummarizeRequest (model/field_error.h).

// Everything about a request that depends on no model: article (1 byte to 1 MiB, no NUL, not blank), lengths and
// counts, known execution path.
absl::Status CheckRequest(const v1::SummarizeRequest& request);

// The parts of the above, for other requests that have them. `field` is the steering's own path.
absl::Status CheckArticle(absl::string_view article);
absl::Status CheckSteering(absl::string_view field, const v1::Steering& steering);
absl::Status CheckServing(absl::string_view parameter_digest, v1::ExecutionPath path);

// Omitted fields are left for the checkpoint to decide. REQUIRES: CheckSteering is OK.
SteeringAsked SteeringFromProto(const v1::Steering& steering);

// Resolves what is asked at `field` against what is served; names fields as "weightings[3].alpha".
absl::StatusOr<Steering> ResolveAt(absl::string_view field, const ClpConfig& clp, const SteeringBounds& bounds,
                                   const CoefficientGrid& grid, const v1::Steering& asked);
// Resolves what is asked against what is served; names fields as "steering.weights[1]".
absl::StatusOr<Steering> ResolveRequest(const ClpConfig& clp, const SteeringBounds& bounds, const CoefficientGrid& grid,
                                        const v1::SummarizeRequest& request);

// Omitted fields take the checkpoint's defaults, cut to `limits`. Asking for a temperature without saying num_beams
// turns beams off.
absl::StatusOr<GenerationOptions> OptionsFromProto(const v1::GenerationOptions& options,
                                                   const GenerationDefaults& defaults, int32_t vocab_size,
                                                   const RequestLimits& limits);
// Every field set.
v1::GenerationOptions OptionsToProto(const GenerationOptions& options);

v1::ParameterVersion VersionToProto(const ParameterVersion& version);
v1::AppliedWeighting WeightingToProto(const Steering& steering);
v1::Timings TimingsToProto(const SummaryTimes& times);
v1::CacheOutcome CacheToProto(CacheOutcome outcome);
// None: the scheduler chooses.
absl::StatusOr<std::optional<ExecutionPath>> PathFromProto(v1::ExecutionPath path, const RequestLimits& limits);
v1::ExecutionPath PathToProto(ExecutionPath path);
v1::FinishReason FinishReasonToProto(FinishReason reason);

// The parts of GetModelInfo that the checkpoint and the bounds decide.
void DescribeModel(const Parameters& parameters, const SteeringBounds& bounds, const RequestLimits& limits,
                   v1::GetModelInfoResponse* info);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_CONVERT_H_
