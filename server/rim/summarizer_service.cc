#include "server/rim/summarizer_service.h"

#include "model/status_macros.h"
#include "server/rim/call.h"
#include "server/rim/explore_call.h"
#include "server/rim/request_reactor.h"
#include "server/rim/stream_writer.h"
#include "server/rim/wire.h"

namespace trimtab {
namespace {

class WholeSummary final : public RequestReactor {
 public:
  WholeSummary(const SummarizerParts& parts, const grpc::CallbackServerContext& context)
      : RequestReactor(parts, "Summarize", context), tokenizer_(parts.tokenizer) {
    Begin();
  }

  void OnCancel() override { call_.Cancel(); }

 private:
  void OnRequest(absl::StatusOr<const grpc::ByteBuffer*> request) override {
    if (!request.ok()) return End(request.status());
    call_.Submit(
        **request, &reply_,
        {.on_token = nullptr, .on_done = [this](const absl::StatusOr<SummaryResult>& result) { End(result); }});
  }
  void End(const absl::StatusOr<SummaryResult>& result) {
    if (!result.ok()) return Finish(call_.End(result.status()));
    Complete(*tokenizer_, *result, &reply_);
    WriteMessage(reply_, &bytes_);
    StartWriteAndFinish(&bytes_, grpc::WriteOptions(), call_.End(absl::OkStatus()));
  }

  const Tokenizer* const tokenizer_;
  v1::SummarizeResponse reply_;
  grpc::ByteBuffer bytes_;
};

int MethodIndex(const char* name) {
  return v1::SummarizeRequest::descriptor()->file()->FindServiceByName("Summarizer")->FindMethodByName(name)->index();
}

}  // namespace

absl::StatusOr<PreparedRequest> Prepare(const SummarizerParts& parts, const v1::SummarizeRequest& request,
                                        absl::Time deadline) {
  RETURN_IF_ERROR(CheckRequest(request));
  if (request.has_min_parameter_version()) {
    const v1::ParameterVersion& least = request.min_parameter_version();
    RETURN_IF_ERROR(parts.store->AtLeast(least.epoch(), least.sequence()).status());
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const Parameters> parameters, ParametersOf(parts, request.parameter_digest()));
  const ClpConfig& clp = parameters->clp();
  const T5Config& config = parameters->config();
  ASSIGN_OR_RETURN(const Steering steering, ResolveRequest(clp, parts.bounds, parts.grid, request));
  ASSIGN_OR_RETURN(const GenerationOptions options,
                   OptionsFromProto(request.options(), parameters->generation(), config.vocab_size, parts.limits));
  ASSIGN_OR_RETURN(const std::optional<ExecutionPath> path, PathFromProto(request.execution_path(), parts.limits));
  RETURN_IF_ERROR(parts.scheduler->CheckRoom(*parameters, steering.coefficients));
  ASSIGN_OR_RETURN(EncoderInputIds input,
                   Tokenize(parts, *parameters, BuildPrompt(clp, steering.weighting, request.article())));
  v1::SummarizeResponse reply = BeginReply(steering, *parameters, input);
  return PreparedRequest{.request = {.input_ids = std::move(input.ids),
                                     .parameters = std::move(parameters),
                                     .coefficients = steering.coefficients,
                                     .options = options,
                                     .deadline = deadline,
                                     .path = path},
                         .reply = std::move(reply)};
}

absl::StatusOr<std::shared_ptr<const Parameters>> ParametersOf(const SummarizerParts& parts, absl::string_view digest) {
  if (digest.empty()) return parts.store->Current();
  return parts.store->Find(std::string(digest));
}

absl::StatusOr<EncoderInputIds> Tokenize(const SummarizerParts& parts, const Parameters& parameters,
                                         absl::string_view prompt) {
  EncoderInputIds input;
  ASSIGN_OR_RETURN(input.ids, parts.tokenizer->Encode(prompt, parameters.config().eos_id, parts.limits.max_input_tokens,
                                                      &input.truncated));
  return input;
}

v1::SummarizeResponse BeginReply(const Steering& steering, const Parameters& parameters, const EncoderInputIds& input) {
  v1::SummarizeResponse reply;
  *reply.mutable_weighting() = WeightingToProto(steering);
  *reply.mutable_parameter_version() = VersionToProto(parameters.version());
  reply.set_truncated(input.truncated);
  reply.set_input_tokens(static_cast<int32_t>(input.ids.size()));
  return reply;
}

void Complete(const Tokenizer& tokenizer, const SummaryResult& result, v1::SummarizeResponse* reply) {
  const Generation& generation = result.generation;
  reply->set_summary(tokenizer.Decode(generation.tokens));
  reply->set_cache(CacheToProto(result.cache));
  reply->set_execution_path(PathToProto(result.path));
  reply->set_finish_reason(FinishReasonToProto(generation.finish_reason));
  reply->set_output_tokens(static_cast<int32_t>(generation.tokens.size()));
  *reply->mutable_timings() = TimingsToProto(result.times);
  if (generation.log_probs.empty()) return;  // Not asked for.
  reply->mutable_log_probs()->Assign(generation.log_probs.begin(), generation.log_probs.end());
  reply->mutable_token_ids()->Assign(generation.tokens.begin(), generation.tokens.end());
}

SummarizerService::SummarizerService(SummarizerParts parts) : parts_(std::move(parts)) {
  TakeCallsOf<WholeSummary>("Summarize");
  TakeCallsOf<StreamWriter>("StreamSummarize");
  TakeCallsOf<ExploreCall>("Explore");
}

template <typename ReactorOfCall>
void SummarizerService::TakeCallsOf(const char* method) {
  const int index = MethodIndex(method);
  MarkMethodStreamed(index, nullptr);
  MarkMethodRawCallback(
      index, new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                 [this](grpc::CallbackServerContext* context) { return new ReactorOfCall(parts_, *context); }));
}

grpc::ServerUnaryReactor* SummarizerService::GetModelInfo(grpc::CallbackServerContext* context,
                                                          const v1::GetModelInfoRequest*,
                                                          v1::GetModelInfoResponse* response) {
  Call call(parts_, "GetModelInfo", *context);
  if (call.allowed().ok()) {
    DescribeModel(*parts_.store->Current(), parts_.bounds, parts_.limits, response);
    response->set_server_version(parts_.server_version);
    response->set_device(parts_.device);
    response->set_grid_bits_w(parts_.grid.w_bits);
    response->set_grid_bits_beta(parts_.grid.beta_bits);
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(call.End(call.allowed()));
  return reactor;
}

}  // namespace trimtab
