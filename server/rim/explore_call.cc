#include "server/rim/explore_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/rewards/mapped_rewards.h"
#include "model/rewards/pareto.h"
#include "model/status_macros.h"
#include "server/memory_plan.h"
#include "server/rim/wire.h"

namespace trimtab {
namespace {

// Between two tries to submit to a full queue while no point of the call is in the scheduler, whose end would be the
// time to try.
constexpr int64_t kRetryMillis = 50;

absl::Status LateError() {
  return absl::DeadlineExceededError(
      "the deadline passed before all points were written: ask for fewer, or allow more time");
}

}  // namespace

ExploreCall::ExploreCall(const SummarizerParts& parts, const grpc::CallbackServerContext& context)
    : RequestReactor(parts, "Explore", context), parts_(parts) {
  Begin();
}

void ExploreCall::OnRequest(absl::StatusOr<const grpc::ByteBuffer*> request) {
  status_ = request.ok() ? Prepare(**request) : request.status();
  Pump();
}

absl::Status ExploreCall::Prepare(const grpc::ByteBuffer& bytes) {
  v1::ExploreRequest request;
  RETURN_IF_ERROR(ParseMessage(bytes, &request));
  ASSIGN_OR_RETURN(plan_, PlanExploration(parts_, request));
  RETURN_IF_ERROR(call_.TakeMemory(kPointBytes * static_cast<int64_t>(plan_.points.size())));
  points_.resize(plan_.points.size());
  for (size_t i = 0; i < points_.size(); ++i) to_submit_.push_back(i);
  return absl::OkStatus();
}

void ExploreCall::OnCancel() { Tell({std::nullopt, absl::CancelledError("the caller cancelled")}); }

void ExploreCall::Tell(News news) {
  if (news_.Post(std::move(news))) Wake(gpr_inf_past(GPR_CLOCK_REALTIME));
}

void ExploreCall::OnWriteDone(bool ok) {
  if (!ok && status_.ok()) status_ = absl::CancelledError("the caller is gone");
  Pump();
}

void ExploreCall::Wake(gpr_timespec at) {
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(at, [this](bool) { Pump(); });
}

void ExploreCall::Pump() {
  do {
    TakeNews();
    if (status_.ok()) status_ = Feed();
    if (!status_.ok()) {
      if (in_flight_ == 0) return Finish(call_.End(status_));
      CancelPoints();
    } else if (StartNextWrite()) {
      return;
    } else if (ended_ == points_.size()) {
      return FinishWithFront();
    } else if (in_flight_ == 0) {
      return Wake(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_millis(kRetryMillis, GPR_TIMESPAN)));
    }
  } while (!news_.Rest());
}

void ExploreCall::TakeNews() {
  for (News& news : news_.Take()) {
    const absl::Status status = news.point.has_value() ? Settle(*news.point, std::move(news.result))
                                : call_.late()         ? LateError()
                                                       : news.result.status();
    if (status_.ok()) status_ = status;
  }
}

absl::Status ExploreCall::Settle(size_t index, absl::StatusOr<SummaryResult> result) {
  Point& point = points_[index];
  point.id = 0;
  --in_flight_;
  if (absl::IsResourceExhausted(result.status()) && accepted_) {  // It gave its place in the queue to another.
    to_submit_.push_front(index);
    return absl::OkStatus();
  }
  ++ended_;
  RETURN_IF_ERROR(result.status());
  point.input = {};
  parts_.metrics->explore_points.Increment();
  Complete(*parts_.tokenizer, *result, &point.reply);
  v1::ExplorePoint& message = *to_write_.emplace_back().mutable_point();
  message.set_index(static_cast<int32_t>(index));
  const std::vector<int32_t>& asked = plan_.points[index].asked;
  message.mutable_asked()->Assign(asked.begin(), asked.end());
  *message.mutable_result() = std::move(point.reply);
  return Score(point, &message);
}

absl::Status ExploreCall::Score(Point& point, v1::ExplorePoint* message) {
  const ScoredText text{.article = plan_.article, .summary = message->result().summary(), .reference = plan_.reference};
  Scores scores;
  for (const RewardScorer* scorer : plan_.scorers) {
    ASSIGN_OR_RETURN(const auto given, scorer->ScoreAll({&text, 1}));
    for (size_t i = 0; i < scorer->names().size(); ++i) scores[scorer->names()[i]] = given[0][i];
  }
  const ClpConfig& clp = plan_.parameters->clp();
  for (const size_t reward : plan_.rewards) {
    (*message->mutable_scores())[RewardScoreName(clp.rewards[reward])] = MapReward(clp, reward, scores);
  }
  message->mutable_scores()->insert(scores.begin(), scores.end());
  for (const std::string& name : plan_.objectives) point.objectives.push_back(message->scores().at(name));
  return absl::OkStatus();
}

void ExploreCall::CancelPoints() {
  for (const Point& point : points_) {
    if (point.id != 0) parts_.scheduler->Cancel(point.id);
  }
}

absl::Status ExploreCall::Feed() {
  const auto at_once = static_cast<size_t>(plan_.at_once);
  if (to_write_.size() > at_once) return absl::OkStatus();  // The reader is behind.
  std::vector<Scheduler::Submission> submissions;
  for (const size_t index : to_submit_) {
    if (in_flight_ + submissions.size() >= at_once) break;
    ASSIGN_OR_RETURN(Scheduler::Submission submission, SubmissionOf(index));
    submissions.push_back(std::move(submission));
  }
  if (submissions.empty()) return absl::OkStatus();
  call_.NoteSubmitted();
  const auto ids = parts_.scheduler->SubmitTogether(std::move(submissions));
  if (absl::IsResourceExhausted(ids.status()) && accepted_) return absl::OkStatus();  // Another time.
  RETURN_IF_ERROR(ids.status());
  for (const uint64_t id : *ids) {
    points_[to_submit_.front()].id = id;
    to_submit_.pop_front();
    ++in_flight_;
  }
  return absl::OkStatus();
}

absl::StatusOr<Scheduler::Submission> ExploreCall::SubmissionOf(size_t index) {
  const Steering& steering = plan_.points[index].steering;
  EncoderInputIds& input = points_[index].input;
  if (input.ids.empty()) {
    RETURN_IF_ERROR(Read(BuildPrompt(plan_.parameters->clp(), steering.weighting, "")));
    input = input_;
  }
  points_[index].reply = BeginReply(steering, *plan_.parameters, input);
  return Scheduler::Submission{
      .request = {.input_ids = input.ids,
                  .parameters = plan_.parameters,
                  .coefficients = steering.coefficients,
                  .options = plan_.options,
                  .deadline = call_.deadline(),
                  .path = plan_.path},
      .callbacks = {.on_token = nullptr, .on_done = [this, index](absl::StatusOr<SummaryResult> result) {
                      Tell({index, std::move(result)});
                    }}};
}

absl::Status ExploreCall::Read(absl::string_view prefix) {
  if (!input_.ids.empty() && prefix == prefix_) return absl::OkStatus();
  ASSIGN_OR_RETURN(input_, Tokenize(parts_, *plan_.parameters, absl::StrCat(prefix, plan_.article)));
  prefix_ = std::string(prefix);
  return absl::OkStatus();
}

bool ExploreCall::StartNextWrite() {
  if (!std::exchange(accepted_, true)) {
    v1::ExploreAccepted& accepted = *to_write_.emplace_front().mutable_accepted();
    accepted.set_asked(plan_.asked);
    for (const DistinctPoint& point : plan_.points) *accepted.add_weightings() = WeightingToProto(point.steering);
  }
  if (to_write_.empty()) return false;
  WriteMessage(to_write_.front(), &bytes_);
  to_write_.pop_front();
  StartWrite(&bytes_);
  return true;
}

void ExploreCall::FinishWithFront() {
  v1::ExploreResponse message;
  v1::ExploreFront& front = *message.mutable_front();
  front.mutable_objectives()->Assign(plan_.objectives.begin(), plan_.objectives.end());
  if (!plan_.objectives.empty()) {
    std::vector<std::vector<double>> scores;
    for (const Point& point : points_) scores.push_back(point.objectives);
    for (const size_t index : NonDominated(scores)) front.add_points(static_cast<int32_t>(index));
  }
  WriteMessage(message, &bytes_);
  StartWriteAndFinish(&bytes_, grpc::WriteOptions(), call_.End(absl::OkStatus()));
}

}  // namespace trimtab
