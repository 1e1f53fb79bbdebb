#include "client/summarizer_client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "client/rich_status.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr int kMaxReceiveBytes = 8 << 20;

std::shared_ptr<grpc::Channel> Connect(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

// The least wait before another try; none: trying again does not help.
std::optional<absl::Duration> LeastWait(const grpc::Status& status) {
  const std::optional<absl::Duration> told = RetryDelayOf(status);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return told.value_or(absl::ZeroDuration());
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) return told;
  return std::nullopt;
}

}  // namespace

SummarizerClient::SummarizerClient(const std::string& server, const ClientOptions& options)
    : SummarizerClient(Connect(server), options) {}

SummarizerClient::SummarizerClient(std::shared_ptr<grpc::Channel> channel, const ClientOptions& options)
    : options_(options), stub_(v1::Summarizer::NewStub(std::move(channel))) {}

absl::Status SummarizerClient::Retry(const std::function<Attempt(grpc::ClientContext&)>& attempt) const {
  absl::BitGen random;
  const absl::Time deadline = absl::Now() + options_.timeout;
  absl::Duration backoff = options_.initial_backoff;
  for (int tried = 1;; ++tried) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    if (!options_.token.empty()) context.AddMetadata("authorization", "Bearer " + options_.token);
    const Attempt last = attempt(context);
    if (last.status.ok()) return absl::OkStatus();
    const std::optional<absl::Duration> least = LeastWait(last.status);
    if (!last.may_retry || !least.has_value() || tried >= options_.max_attempts) return FromGrpc(last.status);
    const absl::Duration wait = std::max(*least, backoff * absl::Uniform(random, 0.5, 1.0));
    if (absl::Now() + wait >= deadline) return FromGrpc(last.status);
    absl::SleepFor(wait);
    backoff = std::min(2 * backoff, options_.max_backoff);
  }
}

absl::StatusOr<v1::SummarizeResponse> SummarizerClient::Summarize(const v1::SummarizeRequest& request) const {
  v1::SummarizeResponse response;
  RETURN_IF_ERROR(Retry(
      [&](grpc::ClientContext& context) { return Attempt{.status = stub_->Summarize(&context, request, &response)}; }));
  return response;
}

absl::StatusOr<v1::SummarizeResponse> SummarizerClient::StreamSummarize(const v1::SummarizeRequest& request,
                                                                        const OnText& on_text) const {
  std::optional<v1::SummarizeResponse> result;
  RETURN_IF_ERROR(Retry([&](grpc::ClientContext& context) {
    bool fresh = true;
    const auto reader = stub_->StreamSummarize(&context, request);
    for (v1::StreamSummarizeResponse message; reader->Read(&message);) {
      fresh = false;
      if (message.has_text()) on_text(message.text());
      if (message.has_result()) result = std::move(*message.mutable_result());
    }
    return Attempt{.status = reader->Finish(), .may_retry = fresh};
  }));
  if (!result.has_value()) {
    return absl::InternalError(
        "the stream ended without a result; expected one as its last message: is this a trimtabd?");
  }
  return *std::move(result);
}

absl::StatusOr<v1::GetModelInfoResponse> SummarizerClient::GetModelInfo() const {
  v1::GetModelInfoResponse response;
  RETURN_IF_ERROR(Retry(
      [&](grpc::ClientContext& context) { return Attempt{.status = stub_->GetModelInfo(&context, {}, &response)}; }));
  return response;
}

}  // namespace trimtab
