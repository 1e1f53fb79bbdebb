// The affinity key of calls: the client computes the coefficients as the server does.
#ifndef TRIMTAB_CLIENT_AFFINITY_H_
#define TRIMTAB_CLIENT_AFFINITY_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "model/clp_config.h"
#include "model/steering.h"
#include "model/weighting.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// What decides coefficients where a server serves.
struct ServedSteering {
  ClpConfig clp;  // Rewards, mixing, default alpha and presets only.
  CoefficientGrid grid;
};

// FailedPrecondition where `info` says too little, or nonsense.
absl::StatusOr<ServedSteering> ServedSteeringOf(const v1::GetModelInfoResponse& info);

SteeringAsked SteeringOf(const v1::Steering& asked);

// The keys of one client's calls. Asks what is served with the first call, and again once an answer contradicts it.
// Thread-safe; while one call asks, others wait for it.
class AffinityKeys {
 public:
  using Ask = std::function<absl::StatusOr<v1::GetModelInfoResponse>(absl::Time deadline, const std::string& token)>;
  explicit AffinityKeys(Ask ask) : ask_(std::move(ask)) {}

  // The key (model/affinity_key.h) of a call that asks for `steering`; empty where that is not valid or nobody says
  // what is served: the call goes out without, and the server's word counts. `token` is what the call asks with.
  std::string For(const v1::Steering& steering, absl::Time deadline, const std::string& token);

  // What a call sent with `key` came to. Forgets what is served if its reply was made with other coefficients, or it
  // was refused as invalid.
  void Learn(absl::string_view key, const absl::StatusOr<v1::SummarizeResponse>& outcome);

 private:
  const Ask ask_;
  absl::Mutex mutex_;
  std::optional<ServedSteering> served_ ABSL_GUARDED_BY(mutex_);
  absl::Time ask_again_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();  // Not before, as the last answer was no use.
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_AFFINITY_H_
