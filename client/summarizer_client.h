#ifndef TRIMTAB_CLIENT_SUMMARIZER_CLIENT_H_
#define TRIMTAB_CLIENT_SUMMARIZER_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "trimtab/v1/summarizer.grpc.pb.h"

namespace trimtab {

struct ClientOptions {
  // Of one call, its retries included.
  absl::Duration timeout = absl::Seconds(60);
  // Tries of one call in all, 1: never again. Only UNAVAILABLE (draining, not reachable) and RESOURCE_EXHAUSTED with
  // RetryInfo (queue full) are tried again.
  int max_attempts = 4;
  // Waits between tries double from the first to the second, each shortened by up to half at random, and are never
  // shorter than the server's RetryInfo.
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  std::string token = "";  // Bearer token of role infer; empty: none.
};

// Calls trimtab.v1.Summarizer. Blocks; errors carry the server's message and the field at fault (FieldOf). Thread-safe.
class SummarizerClient {
 public:
  // `server` is HOST:PORT, without TLS. Connects with the first call.
  explicit SummarizerClient(const std::string& server, const ClientOptions& options = {});
  explicit SummarizerClient(std::shared_ptr<grpc::Channel> channel, const ClientOptions& options = {});

  absl::StatusOr<v1::SummarizeResponse> Summarize(const v1::SummarizeRequest& request) const;

  // Calls `on_text` on this thread for each piece. Tries again only while no piece has arrived.
  using OnText = std::function<void(absl::string_view piece)>;
  absl::StatusOr<v1::SummarizeResponse> StreamSummarize(const v1::SummarizeRequest& request,
                                                        const OnText& on_text) const;

  absl::StatusOr<v1::GetModelInfoResponse> GetModelInfo() const;

 private:
  // Calls `attempt` until it is done, may not be tried again, or time is up.
  struct Attempt {
    grpc::Status status;
    bool may_retry = true;
  };
  absl::Status Retry(const std::function<Attempt(grpc::ClientContext&)>& attempt) const;

  const ClientOptions options_;
  const std::unique_ptr<v1::Summarizer::Stub> stub_;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_SUMMARIZER_CLIENT_H_
