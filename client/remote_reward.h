#ifndef TRIMTAB_CLIENT_REMOTE_REWARD_H_
#define TRIMTAB_CLIENT_REMOTE_REWARD_H_

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/rewards/reward_scorer.h"
#include "trimtab/v1/rewards.grpc.pb.h"

namespace trimtab {

struct RemoteRewardOptions {
  // Of one call. A server that is not there, or goes away, is waited for that long.
  absl::Duration timeout = absl::Seconds(60);
};

// Scores of a server that speaks trimtab.v1.Rewards. Blocks; thread-safe. What the server sends is checked: an answer
// that breaks the contract is Internal, one that does not come in time DeadlineExceeded; every message names the
// server.
class RemoteReward final : public RewardScorer {
 public:
  // `server` is HOST:PORT, without TLS. Asks it what it gives.
  static absl::StatusOr<std::unique_ptr<RemoteReward>> Connect(const std::string& server,
                                                               const RemoteRewardOptions& options = {});

  const std::vector<std::string>& names() const override { return names_; }
  bool needs_reference() const override { return needs_reference_; }
  // In calls of at most 64 texts and about 4 MiB.
  absl::StatusOr<std::vector<std::vector<double>>> ScoreAll(std::span<const ScoredText> texts) const override;

 private:
  RemoteReward(std::string server, const RemoteRewardOptions& options);

  absl::Status Describe();
  absl::Status ScoreSome(const v1::ScoreRequest& request, std::vector<std::vector<double>>* scores) const;

  const std::string server_;
  const RemoteRewardOptions options_;
  const std::unique_ptr<v1::Rewards::Stub> stub_;
  std::vector<std::string> names_;
  bool needs_reference_ = false;
};

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_REMOTE_REWARD_H_
