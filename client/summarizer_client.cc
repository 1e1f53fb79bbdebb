#include "client/summarizer_client.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/affinity.h"
#include "client/rich_status.h"
#include "client/routing.h"
#include "model/affinity_key.h"
#include "model/status_macros.h"
#include "trimtab/v1/admin.grpc.pb.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {
namespace {

constexpr int kMaxReceiveBytes = 8 << 20;
constexpr int kConnectMs = 2000;  // A host that has not accepted a connection by then is not reachable.

// One connection. A broken one is not used again: gRPC would fail calls on it at once until it has mended it, which it
// does at its own, slow pace. A call on a new one waits until it is known whether the server is there.
struct Stubs {
  std::unique_ptr<v1::Summarizer::Stub> summarizer;
  std::unique_ptr<v1::Admin::Stub> admin;
};

std::shared_ptr<const Stubs> Connect(const std::string& server, const TlsOptions& tls) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Else a new one would be the old one.
  const auto channel = NewChannel(server, tls, arguments);
  return std::make_shared<const Stubs>(Stubs{v1::Summarizer::NewStub(channel), v1::Admin::NewStub(channel)});
}

std::vector<std::string> ServersOf(absl::string_view servers) { return absl::StrSplit(servers, ','); }

// The least wait before another try; none: trying again does not help.
std::optional<absl::Duration> LeastWait(const grpc::Status& status) {
  const std::optional<absl::Duration> told = RetryDelayOf(status);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return told.value_or(absl::ZeroDuration());
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) return told;
  return std::nullopt;
}

// The weightings that one server is asked to mix.
struct PrewarmShare {
  std::string key;              // Of the first of them: should the server fail, all go where that one goes.
  std::vector<size_t> members;  // Which of all weightings they are.
  v1::PrewarmRequest request;
};

struct Attempt {
  grpc::Status status;
  bool may_retry = true;
};
using MakeAttempt = std::function<Attempt(const Stubs&, grpc::ClientContext&)>;

}  // namespace

struct SummarizerClient::Impl {
  Impl(const std::vector<std::string>& servers, const ClientOptions& options)
      : options(options),
        servers(servers),
        routing(servers, options.failed_server_pause),
        keys([this](absl::Time deadline, const std::string& token) {
          return GetModelInfo({.token = token}, deadline, static_cast<int>(this->servers.size()));
        }),
        stubs(servers.size()) {}

  absl::Time Deadline() const { return absl::Now() + options.timeout; }
  const std::string& TokenOf(const CallOptions& call) const { return call.token ? *call.token : options.token; }

  std::shared_ptr<const Stubs> StubsOf(size_t server);
  void Failed(size_t server, const std::shared_ptr<const Stubs>& broken);

  // Calls `attempt` until it is done, may not be tried again, or tries or time are up.
  absl::Status Retry(const CallOptions& call, absl::string_view key, absl::Time deadline, int max_attempts,
                     const MakeAttempt& attempt);
  absl::StatusOr<v1::GetModelInfoResponse> GetModelInfo(const CallOptions& call, absl::Time deadline, int max_attempts);
  // A summary, which the attempt that succeeds leaves in its last argument.
  using MakeSummary = std::function<Attempt(const Stubs&, grpc::ClientContext&, v1::SummarizeResponse*)>;
  absl::StatusOr<v1::SummarizeResponse> Summarize(const CallOptions& call, const v1::Steering& steering,
                                                  const MakeSummary& attempt);
  absl::Status Prewarm(const PrewarmShare& share, absl::Time deadline, v1::PrewarmResponse* all);

  const ClientOptions options;
  const std::vector<std::string> servers;
  Routing routing;
  AffinityKeys keys;
  absl::Mutex mutex;
  std::vector<std::shared_ptr<const Stubs>> stubs ABSL_GUARDED_BY(mutex);  // By server; null: to be made.
};

std::shared_ptr<const Stubs> SummarizerClient::Impl::StubsOf(size_t server) {
  absl::MutexLock lock(&mutex);
  if (stubs[server] == nullptr) stubs[server] = Connect(servers[server], options.tls);
  return stubs[server];
}

void SummarizerClient::Impl::Failed(size_t server, const std::shared_ptr<const Stubs>& broken) {
  routing.Failed(server, absl::Now());
  absl::MutexLock lock(&mutex);
  if (stubs[server] == broken) stubs[server] = nullptr;
}

absl::Status SummarizerClient::Impl::Retry(const CallOptions& call, absl::string_view key, absl::Time deadline,
                                           int max_attempts, const MakeAttempt& attempt) {
  absl::BitGen random;
  const std::vector<size_t> order = routing.Order(key);
  absl::Duration backoff = options.initial_backoff;
  for (int tried = 1;; ++tried) {
    const size_t server = routing.Choose(order, absl::Now()).server;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    if (!key.empty()) context.AddMetadata(kAffinityHeader, std::string(key));
    if (!call.traceparent.empty()) context.AddMetadata("traceparent", call.traceparent);
    if (const std::string& token = TokenOf(call); !token.empty())
      context.AddMetadata("authorization", "Bearer " + token);
    const std::shared_ptr<const Stubs> connection = StubsOf(server);
    const Attempt last = attempt(*connection, context);
    if (last.status.ok()) return absl::OkStatus();
    const std::optional<absl::Duration> least = LeastWait(last.status);
    const bool unavailable = last.status.error_code() == grpc::StatusCode::UNAVAILABLE;
    if (unavailable) Failed(server, connection);
    if (!last.may_retry || !least.has_value() || tried >= max_attempts)
      return ExplainTls(FromGrpc(last.status), options.tls);
    const Routing::Choice next = routing.Choose(order, absl::Now());
    if (unavailable && next.ready && next.server != server) continue;
    const absl::Duration wait = std::max(*least, backoff * absl::Uniform(random, 0.5, 1.0));
    if (absl::Now() + wait >= deadline) return ExplainTls(FromGrpc(last.status), options.tls);
    absl::SleepFor(wait);
    backoff = std::min(2 * backoff, options.max_backoff);
  }
}

absl::StatusOr<v1::GetModelInfoResponse> SummarizerClient::Impl::GetModelInfo(const CallOptions& call,
                                                                              absl::Time deadline, int max_attempts) {
  v1::GetModelInfoResponse response;
  RETURN_IF_ERROR(Retry(call, "", deadline, max_attempts, [&](const Stubs& server, grpc::ClientContext& context) {
    return Attempt{.status = server.summarizer->GetModelInfo(&context, {}, &response)};
  }));
  return response;
}

absl::StatusOr<v1::SummarizeResponse> SummarizerClient::Impl::Summarize(const CallOptions& call,
                                                                        const v1::Steering& steering,
                                                                        const MakeSummary& attempt) {
  const absl::Time deadline = Deadline();
  const std::string key = keys.For(steering, deadline, TokenOf(call));
  absl::StatusOr<v1::SummarizeResponse> outcome = v1::SummarizeResponse();
  const absl::Status status =
      Retry(call, key, deadline, options.max_attempts,
            [&](const Stubs& server, grpc::ClientContext& context) { return attempt(server, context, &*outcome); });
  if (!status.ok()) outcome = status;
  keys.Learn(key, outcome);
  return outcome;
}

absl::Status SummarizerClient::Impl::Prewarm(const PrewarmShare& share, absl::Time deadline, v1::PrewarmResponse* all) {
  v1::PrewarmResponse response;
  RETURN_IF_ERROR(
      Retry({}, share.key, deadline, options.max_attempts, [&](const Stubs& server, grpc::ClientContext& context) {
        return Attempt{.status = server.admin->Prewarm(&context, share.request, &response)};
      }));
  if (response.results_size() != share.request.weightings_size()) {
    return absl::InternalError(absl::StrCat("the server answered ", response.results_size(), " of ",
                                            share.request.weightings_size(), " weightings: is this a trimtabd?"));
  }
  for (size_t i = 0; i < share.members.size(); ++i) {
    *all->mutable_results(static_cast<int>(share.members[i])) = response.results(static_cast<int>(i));
  }
  return absl::OkStatus();
}

SummarizerClient::SummarizerClient(absl::string_view servers, const ClientOptions& options)
    : impl_(std::make_unique<Impl>(ServersOf(servers), options)) {}

SummarizerClient::~SummarizerClient() = default;

absl::StatusOr<v1::SummarizeResponse> SummarizerClient::Summarize(const v1::SummarizeRequest& request,
                                                                  const CallOptions& call) const {
  return impl_->Summarize(call, request.steering(),
                          [&](const Stubs& server, grpc::ClientContext& context, auto* response) {
                            return Attempt{.status = server.summarizer->Summarize(&context, request, response)};
                          });
}

absl::StatusOr<v1::SummarizeResponse> SummarizerClient::StreamSummarize(const v1::SummarizeRequest& request,
                                                                        const OnText& on_text,
                                                                        const CallOptions& call) const {
  return impl_->Summarize(
      call, request.steering(), [&](const Stubs& server, grpc::ClientContext& context, auto* response) {
        bool fresh = true, complete = false;
        const auto reader = server.summarizer->StreamSummarize(&context, request);
        for (v1::StreamSummarizeResponse message; reader->Read(&message);) {
          fresh = false;
          if (message.has_text()) on_text(message.text());
          if (call.wanted && !call.wanted()) context.TryCancel();
          if (!message.has_result()) continue;
          *response = std::move(*message.mutable_result());
          complete = true;
        }
        grpc::Status status = reader->Finish();
        if (status.ok() && !complete) {
          status =
              grpc::Status(grpc::StatusCode::INTERNAL,
                           "the stream ended without a result; expected one as its last message: is this a trimtabd?");
        }
        return Attempt{.status = std::move(status), .may_retry = fresh};
      });
}

absl::StatusOr<SummarizerClient::Explored> SummarizerClient::Explore(const v1::ExploreRequest& request,
                                                                     const OnPoint& on_point,
                                                                     const CallOptions& call) const {
  Explored explored;
  bool whole = false;
  const auto attempt = [&](const Stubs& server, grpc::ClientContext& context) {
    bool fresh = true;
    const auto reader = server.summarizer->Explore(&context, request);
    for (v1::ExploreResponse message; reader->Read(&message);) {
      fresh = false;
      if (message.has_accepted()) explored.accepted = std::move(*message.mutable_accepted());
      if (message.has_point()) on_point(message.point());
      if (call.wanted && !call.wanted()) context.TryCancel();
      whole = message.has_front();
      if (whole) explored.front = std::move(*message.mutable_front());
    }
    return Attempt{.status = reader->Finish(), .may_retry = fresh};
  };
  RETURN_IF_ERROR(
      impl_->Retry(call, ArticleKey(request.article()), impl_->Deadline(), impl_->options.max_attempts, attempt));
  if (whole) return explored;
  return absl::InternalError("the stream ended without a front; expected one as its last message: is this a trimtabd?");
}

absl::StatusOr<v1::GetModelInfoResponse> SummarizerClient::GetModelInfo(const CallOptions& call) const {
  return impl_->GetModelInfo(call, impl_->Deadline(), impl_->options.max_attempts);
}

absl::StatusOr<v1::PrewarmResponse> SummarizerClient::Prewarm(const std::vector<v1::Steering>& weightings) const {
  const absl::Time deadline = impl_->Deadline();
  std::map<size_t, PrewarmShare> shares;  // By server.
  for (size_t i = 0; i < weightings.size(); ++i) {
    std::string key = impl_->keys.For(weightings[i], deadline, impl_->options.token);
    PrewarmShare& share = shares[impl_->routing.Choose(impl_->routing.Order(key), absl::Now()).server];
    if (share.members.empty()) share.key = std::move(key);
    share.members.push_back(i);
    *share.request.add_weightings() = weightings[i];
  }
  v1::PrewarmResponse all;
  for (size_t i = 0; i < weightings.size(); ++i) all.add_results();
  for (const auto& [server, share] : shares) {
    RETURN_IF_ERROR(impl_->Prewarm(share, deadline, &all));
  }
  return all;
}

}  // namespace trimtab
