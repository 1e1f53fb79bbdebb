#ifndef TRIMTAB_CLIENT_SUMMARIZER_CLIENT_H_
#define TRIMTAB_CLIENT_SUMMARIZER_CLIENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/channel.h"
#include "grpcpp/grpcpp.h"
#include "trimtab/v1/admin.pb.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

struct ClientOptions {
  // Of one call, its retries included.
  absl::Duration timeout = absl::Seconds(60);
  // Tries of one call in all, 1: never again. Only UNAVAILABLE (draining, not reachable) and RESOURCE_EXHAUSTED with
  // RetryInfo (queue full) are tried again.
  int max_attempts = 4;
  // Waits between tries double from the first to the second, each shortened by up to half at random, and are never
  // shorter than the server's RetryInfo. A call moves on to another server without waiting.
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  // For how long a server that was UNAVAILABLE is passed over, as long as there is another.
  absl::Duration failed_server_pause = absl::Seconds(1);
  std::string token = "";  // Bearer token of role infer, for Prewarm admin; empty: none.
  TlsOptions tls = {};     // Its files are read again for each new connection after a failure.
};

// What one call does otherwise than the client: for who passes on the calls of others.
struct CallOptions {
  std::optional<std::string> token = std::nullopt;  // Instead of the client's; "": none.
  std::string traceparent = "";                     // W3C trace context, sent as metadata; empty: none.
  // Asked on the calling thread after each message of a stream; false ends the call with CANCELLED. Null: always
  // wanted.
  std::function<bool()> wanted = nullptr;
};

// Calls trimtab.v1.Summarizer and Admin. Blocks; errors carry the server's message and the field at fault (FieldOf).
// Thread-safe.
//
// Every summary is asked for with its affinity key (model/affinity_key.h), for routers on the way. With several servers
// the key decides which one is asked (client/routing.h): requests that need the same mixed weights go to the same
// server. UNAVAILABLE moves the call on to the next server of its key at once; the keys of other servers stay where
// they are.
class SummarizerClient {
 public:
  // `servers` is HOST:PORT, or several with commas between them. Connects with the first call.
  explicit SummarizerClient(absl::string_view servers, const ClientOptions& options = {});
  ~SummarizerClient();

  absl::StatusOr<v1::SummarizeResponse> Summarize(const v1::SummarizeRequest& request,
                                                  const CallOptions& call = {}) const;

  // Calls `on_text` on this thread for each piece. Tries again only while no piece has arrived.
  using OnText = std::function<void(absl::string_view piece)>;
  absl::StatusOr<v1::SummarizeResponse> StreamSummarize(const v1::SummarizeRequest& request, const OnText& on_text,
                                                        const CallOptions& call = {}) const;

  // Calls `on_point` on this thread for each point, as they are done. Tries again only while nothing has arrived.
  using OnPoint = std::function<void(const v1::ExplorePoint& point)>;
  struct Explored {
    v1::ExploreAccepted accepted;
    v1::ExploreFront front;
  };
  absl::StatusOr<Explored> Explore(const v1::ExploreRequest& request, const OnPoint& on_point,
                                   const CallOptions& call = {}) const;

  // Of the first server that answers.
  absl::StatusOr<v1::GetModelInfoResponse> GetModelInfo(const CallOptions& call = {}) const;

  // Has the mixed weights of each weighting made by the server that its requests go to. Results are in order.
  absl::StatusOr<v1::PrewarmResponse> Prewarm(const std::vector<v1::Steering>& weightings) const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_SUMMARIZER_CLIENT_H_
