#ifndef TRIMTAB_SERVER_RIM_SUMMARIZER_SERVICE_H_
#define TRIMTAB_SERVER_RIM_SUMMARIZER_SERVICE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "model/rewards/reward_scorer.h"
#include "model/tokenizer.h"
#include "server/memory_budget.h"
#include "server/metrics.h"
#include "server/parameter_store.h"
#include "server/read_gate.h"
#include "server/rim/convert.h"
#include "server/rim/tokens.h"
#include "server/scheduler.h"
#include "server/steering.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {

// What the service works with and how it is set. The pointees must outlive the service and all its calls.
struct SummarizerParts {
  ParameterStore* store = nullptr;
  const Tokenizer* tokenizer = nullptr;
  Scheduler* scheduler = nullptr;
  Metrics* metrics = nullptr;
  MemoryBudget* memory = nullptr;  // Of all calls.
  ReadGate* gate = nullptr;        // To reading their requests.
  const Tokens* tokens = nullptr;  // Null: everybody may call.
  SteeringBounds bounds;
  CoefficientGrid grid;
  RequestLimits limits;
  std::vector<const RewardScorer*> scorers;  // Of explored points.
  std::string server_version;
  std::string device;
};

// A request as the scheduler takes it, with what its reply will need.
struct PreparedRequest {
  SummaryRequest request;
  v1::SummarizeResponse reply;  // All that is known before the summary is written.
};

// trimtab.v1.Summarizer: translates, submits, finishes. Validation and tokenising run on the gRPC thread that brought
// the call; replies are sent from the scheduler's threads, which are never blocked: while one message of a stream is on
// its way, the tokens that follow are gathered into the next. Thread-safe. Raw methods: see wire.h; read by ourselves:
// see request_reactor.h.
class SummarizerService final : public v1::Summarizer::WithCallbackMethod_GetModelInfo<v1::Summarizer::Service> {
 public:
  explicit SummarizerService(SummarizerParts parts);

  grpc::ServerUnaryReactor* GetModelInfo(grpc::CallbackServerContext* context, const v1::GetModelInfoRequest* request,
                                         v1::GetModelInfoResponse* response) override;

 private:
  template <typename ReactorOfCall>
  void TakeCallsOf(const char* method);

  SummarizerParts parts_;
};

// Validates `request` against what is served now. InvalidArgument with the field at fault; FailedPrecondition when the
// pinned parameters are not held or the least ones asked for have not arrived; ResourceExhausted or Unavailable when it
// would be refused, so that under overload nobody tokenises for those who are.
absl::StatusOr<PreparedRequest> Prepare(const SummarizerParts& parts, const v1::SummarizeRequest& request,
                                        absl::Time deadline);

// The parameters that are served, or those with this digest. FailedPrecondition when they are not held.
absl::StatusOr<std::shared_ptr<const Parameters>> ParametersOf(const SummarizerParts& parts, absl::string_view digest);

// The article as the encoder reads it at one weighting.
struct EncoderInputIds {
  std::vector<int32_t> ids;
  bool truncated = false;
};
absl::StatusOr<EncoderInputIds> Tokenize(const SummarizerParts& parts, const Parameters& parameters,
                                         absl::string_view prompt);

// All of a reply that is known before the summary is written.
v1::SummarizeResponse BeginReply(const Steering& steering, const Parameters& parameters, const EncoderInputIds& input);

// The whole reply: what was prepared and what was written.
void Complete(const Tokenizer& tokenizer, const SummaryResult& result, v1::SummarizeResponse* reply);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_RIM_SUMMARIZER_SERVICE_H_
