#include "tests/server/rim/history.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/mixed_weights.h"
#include "model/parameters.h"
#include "model/status_macros.h"
#include "server/rim/convert.h"

namespace trimtab {

void History::Acknowledged(uint64_t sequence) {
  MutexLock lock(mutex_);
  acknowledged_ = sequence;
}

uint64_t History::acknowledged() const {
  MutexLock lock(mutex_);
  return acknowledged_;
}

void History::Replied(LoggedReply reply) {
  MutexLock lock(mutex_);
  replies_.push_back(std::move(reply));
}

std::vector<LoggedReply> History::replies() const {
  MutexLock lock(mutex_);
  return replies_;
}

absl::Status CheckOrder(const std::vector<LoggedReply>& replies) {
  std::map<int, uint64_t> last;
  for (const LoggedReply& logged : replies) {
    const uint64_t sequence = logged.reply.parameter_version().sequence();
    uint64_t& before = last[logged.client];
    if (sequence < std::max(before, logged.acknowledged)) {
      return absl::InternalError(absl::StrCat("client ", logged.client, " got version ", sequence, " after version ",
                                              before, ", with ", logged.acknowledged, " acknowledged"));
    }
    before = sequence;
  }
  return absl::OkStatus();
}

Replayer::Replayer(const Checkpoint& checkpoint)
    : backend_(NewCpuBackend(1)),
      tokenizer_(Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size).value()),
      engine_(NewEngine(checkpoint.config, {}, backend_.get()).value()) {}

absl::Status Replayer::Use(const Checkpoint& version) {
  ASSIGN_OR_RETURN(parameters_, Parameters::Create(version, backend_.get()));
  return absl::OkStatus();
}

absl::Status Replayer::Check(const LoggedReply& logged) {
  const v1::SummarizeResponse& reply = logged.reply;
  const ClpConfig& clp = parameters_->clp();
  if (reply.parameter_version().digest() != parameters_->version().digest) {
    return absl::InternalError(absl::StrCat("a reply names version ", reply.parameter_version().sequence(),
                                            " with a digest that was never committed"));
  }
  const v1::AppliedWeighting& applied = reply.weighting();
  ASSIGN_OR_RETURN(const Weighting weighting,
                   Weighting::Create(clp.mixing, static_cast<int>(clp.rewards.size()), applied.alpha(),
                                     {applied.weights().begin(), applied.weights().end()}));
  const MixTime when = reply.execution_path() == v1::EXECUTION_PATH_BASIS ? MixTime::kNever : MixTime::kNow;
  EngineRequest request;
  request.id = 1;
  ASSIGN_OR_RETURN(request.weights,
                   MixedWeights::Mix(parameters_, Coefficients::From(clp.mixing, weighting, {}), backend_.get(), when));
  ASSIGN_OR_RETURN(request.options, OptionsFromProto(logged.request.options(), parameters_->generation(),
                                                     parameters_->config().vocab_size, {}));
  bool truncated = false;
  ASSIGN_OR_RETURN(request.input_ids, tokenizer_->Encode(BuildPrompt(clp, weighting, logged.request.article()),
                                                         parameters_->config().eos_id, 512, &truncated));
  ASSIGN_OR_RETURN(const Generation alone, Generate(*engine_, std::move(request)));
  if (!std::ranges::equal(alone.tokens, reply.token_ids()) || !std::ranges::equal(alone.log_probs, reply.log_probs()) ||
      tokenizer_->Decode(alone.tokens) != reply.summary()) {
    return absl::InternalError(absl::StrCat("client ", logged.client,
                                            " got another text or other log-probabilities "
                                            "than version ",
                                            reply.parameter_version().sequence(), " gives alone"));
  }
  return absl::OkStatus();
}

}  // namespace trimtab
