#include "client/remote_reward.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/rich_status.h"
#include "grpcpp/grpcpp.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr int kMaxTexts = 64;
constexpr size_t kMaxBytes = size_t{3} << 20;  // Servers take 4 MiB unless told otherwise.
constexpr int kMaxNames = 16;
constexpr absl::Duration kRetryPause = absl::Milliseconds(200);

bool IsScoreName(absl::string_view name) {
  const bool ok = std::all_of(name.begin(), name.end(),
                              [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_'; });
  return ok && !name.empty() && name.size() <= 64;
}

// Calls until it succeeds, fails for good, or the time is up.
absl::Status Call(const std::string& server, absl::Duration timeout,
                  const std::function<grpc::Status(grpc::ClientContext*)>& call) {
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    context.set_wait_for_ready(true);
    const grpc::Status status = call(&context);
    if (status.ok()) return absl::OkStatus();
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE && absl::Now() + kRetryPause < deadline) {
      absl::SleepFor(kRetryPause);
      continue;
    }
    const absl::Status error = FromGrpc(status);
    const bool late = absl::IsDeadlineExceeded(error);
    return absl::Status(error.code(), absl::StrCat("remote reward ", server, ": ", error.message(),
                                                   late ? absl::StrCat(" (after ", absl::FormatDuration(timeout),
                                                                       "; does it run, and keep up?)")
                                                        : ""));
  }
}

absl::Status Broken(const std::string& server, absl::string_view what) {
  return absl::InternalError(absl::StrCat("remote reward ", server, " broke its contract: ", what));
}

}  // namespace

RemoteReward::RemoteReward(std::string server, const RemoteRewardOptions& options)
    : server_(std::move(server)),
      options_(options),
      stub_(v1::Rewards::NewStub(grpc::CreateChannel(server_, grpc::InsecureChannelCredentials()))) {}

absl::StatusOr<std::unique_ptr<RemoteReward>> RemoteReward::Connect(const std::string& server,
                                                                    const RemoteRewardOptions& options) {
  std::unique_ptr<RemoteReward> reward(new RemoteReward(server, options));
  RETURN_IF_ERROR(reward->Describe());
  return reward;
}

absl::Status RemoteReward::Describe() {
  v1::DescribeRewardsResponse response;
  RETURN_IF_ERROR(Call(server_, options_.timeout, [&](grpc::ClientContext* context) {
    return stub_->Describe(context, v1::DescribeRewardsRequest(), &response);
  }));
  names_.assign(response.names().begin(), response.names().end());
  needs_reference_ = response.needs_reference();
  const bool distinct = std::set<std::string>(names_.begin(), names_.end()).size() == names_.size();
  if (!names_.empty() && names_.size() <= kMaxNames && distinct &&
      std::all_of(names_.begin(), names_.end(), IsScoreName)) {
    return absl::OkStatus();
  }
  return Broken(server_, absl::StrCat("its ", names_.size(),
                                      " names of scores are not 1 to 16 different ones of a-z, 0-9 and _"));
}

absl::StatusOr<std::vector<std::vector<double>>> RemoteReward::ScoreAll(std::span<const ScoredText> texts) const {
  std::vector<std::vector<double>> scores;
  v1::ScoreRequest request;
  size_t bytes = 0;
  for (const ScoredText& text : texts) {
    const size_t more = text.article.size() + text.summary.size() + text.reference.size();
    if (request.texts_size() == kMaxTexts || (request.texts_size() > 0 && bytes + more > kMaxBytes)) {
      RETURN_IF_ERROR(ScoreSome(request, &scores));
      request.clear_texts();
      bytes = 0;
    }
    v1::RewardText& sent = *request.add_texts();
    sent.set_article(std::string(text.article));
    sent.set_summary(std::string(text.summary));
    sent.set_reference(std::string(text.reference));
    bytes += more;
  }
  if (request.texts_size() > 0) RETURN_IF_ERROR(ScoreSome(request, &scores));
  return scores;
}

absl::Status RemoteReward::ScoreSome(const v1::ScoreRequest& request, std::vector<std::vector<double>>* scores) const {
  v1::ScoreResponse response;
  RETURN_IF_ERROR(Call(server_, options_.timeout,
                       [&](grpc::ClientContext* context) { return stub_->Score(context, request, &response); }));
  if (response.scores_size() != request.texts_size()) {
    return Broken(server_,
                  absl::StrCat("it gave ", response.scores_size(), " scores for ", request.texts_size(), " texts"));
  }
  for (const v1::RewardScores& given : response.scores()) {
    std::vector<double> values(given.values().begin(), given.values().end());
    if (values.size() != names_.size()) {
      return Broken(server_, absl::StrCat("it gave ", values.size(), " values for ", names_.size(), " names"));
    }
    if (!std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) {
      return Broken(server_, "it gave a value that is not finite");
    }
    scores->push_back(std::move(values));
  }
  return absl::OkStatus();
}

}  // namespace trimtab
