#include <algorithm>
#include <cmath>
#include <utility>

#include "model/logits.h"
#include "model/search.h"

namespace trimtab {
namespace {

struct Hypothesis {
  std::vector<int32_t> tokens;
  std::vector<float> log_probs;  // One per token.
  float score = 0.0f;            // Running: sum of log-probabilities. Finished: that over length^penalty.
};

// A running hypothesis continued by one token.
struct Candidate {
  float score;
  float log_prob;
  int32_t parent;
  int32_t token;
};

class ScoredBeams final : public BeamSearch {
 public:
  ScoredBeams(const GenerationOptions& options, const T5Config& config)
      : options_(options), eos_id_(config.eos_id), start_(config.decoder_start_id), vocab_size_(config.vocab_size) {
    running_.resize(1);
    rows_ = {{start_, 0}};
  }

  int32_t candidates() const override { return std::min(2 * options_.num_beams, vocab_size_); }

  TokenRule RuleAfter(size_t hypothesis, int64_t row, std::vector<ForbiddenToken>* forbidden) const override {
    AppendForbidden(options_, eos_id_, start_, running_[hypothesis].tokens, {}, row, forbidden);
    return {.row = row, .count = candidates(), .log_prob = true};
  }

  void Advance(std::span<const ChosenToken> chosen) override {
    ++length_;
    Continue(BestCandidates(chosen));
    const bool full = length_ == options_.max_new_tokens;
    if (full || !CanImprove()) {
      rows_.clear();
    }
  }

  std::span<const int32_t> settled() const override { return {}; }

  Generation Take() override {
    Hypothesis& best = finished_.empty() ? running_.front() : finished_.front();
    Generation generation;
    generation.score = finished_.empty() ? best.score / Penalty() : best.score;
    generation.finish_reason =
        !best.tokens.empty() && best.tokens.back() == eos_id_ ? FinishReason::kEos : FinishReason::kLength;
    generation.tokens = std::move(best.tokens);
    if (options_.log_probs) generation.log_probs = std::move(best.log_probs);
    return generation;
  }

 private:
  float Penalty() const { return std::pow(static_cast<float>(length_), options_.length_penalty); }

  // The 2 * beams best continuations of all running hypotheses, best first; of equals, the earlier hypothesis's and its
  // likelier token come first. No other token of a row can be among them.
  std::vector<Candidate> BestCandidates(std::span<const ChosenToken> chosen) const {
    std::vector<Candidate> best;
    for (size_t i = 0; i < chosen.size(); ++i) {
      const auto parent = static_cast<int32_t>(i) / candidates();
      best.push_back({running_[parent].score + chosen[i].log_prob, chosen[i].log_prob, parent, chosen[i].id});
    }
    std::stable_sort(best.begin(), best.end(),
                     [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    best.resize(std::min(best.size(), 2 * static_cast<size_t>(options_.num_beams)));
    return best;
  }

  // Ended candidates among the first `beams` become finished hypotheses; the best open ones run on.
  void Continue(const std::vector<Candidate>& candidates) {
    const size_t beams = static_cast<size_t>(options_.num_beams);
    const bool full = length_ == options_.max_new_tokens;
    std::vector<Hypothesis> next;
    rows_.clear();
    for (size_t i = 0; i < candidates.size(); ++i) {
      const Candidate& candidate = candidates[i];
      if (candidate.token == eos_id_ || full) {
        if (i < beams) Finish(Extend(candidate));
      } else if (next.size() < beams) {
        next.push_back(Extend(candidate));
        rows_.push_back({candidate.token, candidate.parent});
      }
    }
    if (!full) running_ = std::move(next);
  }

  Hypothesis Extend(const Candidate& candidate) const {
    Hypothesis extended = running_[candidate.parent];
    extended.tokens.push_back(candidate.token);
    extended.log_probs.push_back(candidate.log_prob);
    extended.score = candidate.score;
    return extended;
  }

  void Finish(Hypothesis hypothesis) {
    hypothesis.score /= Penalty();
    const auto place = std::find_if(finished_.begin(), finished_.end(),
                                    [&](const Hypothesis& other) { return other.score < hypothesis.score; });
    finished_.insert(place, std::move(hypothesis));
    if (finished_.size() > static_cast<size_t>(options_.num_beams)) finished_.pop_back();
  }

  // Whether the best running hypothesis, at its present length, would still enter the finished ones.
  bool CanImprove() const {
    if (finished_.size() < static_cast<size_t>(options_.num_beams)) return true;
    return running_.front().score / Penalty() > finished_.back().score;
  }

  const GenerationOptions options_;
  const int32_t eos_id_, start_, vocab_size_;
  int32_t length_ = 0;                // Tokens every running hypothesis has.
  std::vector<Hypothesis> running_;   // Best first.
  std::vector<Hypothesis> finished_;  // Best first, at most num_beams.
};

}  // namespace

std::unique_ptr<BeamSearch> NewBeamSearch(const GenerationOptions& options, const T5Config& config) {
  return std::make_unique<ScoredBeams>(options, config);
}

}  // namespace trimtab
