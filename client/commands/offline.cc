#include "client/commands/offline.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/affinity.h"
#include "client/commands/generation_flags.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "model/mixed_weights.h"
#include "model/parameters.h"
#include "model/status_macros.h"
#include "model/steering.h"
#include "model/tokenizer.h"

namespace trimtab {
namespace {

// One weighting, mixed.
struct Mixture {
  Weighting weighting;
  std::shared_ptr<const MixedWeights> weights;
};

class Batch {
 public:
  static absl::StatusOr<std::unique_ptr<Batch>> Create(const OfflineOptions& options,
                                                       const std::vector<v1::Steering>& steerings,
                                                       const v1::GenerationOptions& generation) {
    auto batch = std::unique_ptr<Batch>(new Batch(options));
    RETURN_IF_ERROR(batch->Load(generation));
    for (const v1::Steering& steering : steerings) RETURN_IF_ERROR(batch->Mix(steering));
    return batch;
  }

  absl::Status Run(const std::vector<Article>& articles, const OnSummary& on_summary) {
    const size_t jobs = articles.size() * mixtures_.size();
    replies_.assign(jobs, std::nullopt);
    size_t admitted = 0, reported = 0;
    std::vector<EngineEvent> events;
    while (reported < jobs) {
      while (admitted < jobs && engine_->free_rows() >= generation_.num_beams) {
        ASSIGN_OR_RETURN(const bool taken, Admit(admitted, articles[admitted / mixtures_.size()]));
        if (!taken) break;
        ++admitted;
      }
      events.clear();
      engine_->Step(&events);
      for (EngineEvent& event : events) {
        if (event.kind == EngineEvent::Kind::kFinished) Complete(event.generation, &*replies_[event.id]);
      }
      for (; reported < jobs && Done(reported); ++reported) {
        on_summary(articles[reported / mixtures_.size()], *replies_[reported]);
        replies_[reported].reset();
      }
    }
    return absl::OkStatus();
  }

 private:
  explicit Batch(OfflineOptions options) : options_(std::move(options)) {}

  absl::Status Load(const v1::GenerationOptions& generation) {
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(options_.model));
    ASSIGN_OR_RETURN(tokenizer_, Tokenizer::Create(checkpoint.tokenizer_model, checkpoint.config.vocab_size));
    const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    ASSIGN_OR_RETURN(backend_, NewBackend(options_.device, options_.threads > 0 ? options_.threads : cores));
    ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(options_.precision));
    ASSIGN_OR_RETURN(parameters_, Parameters::Create(checkpoint, backend_.get(), precision));
    ASSIGN_OR_RETURN(generation_, GenerationOffline(generation, checkpoint.generation, checkpoint.config.vocab_size));
    EngineOptions engine;
    engine.max_rows = std::max(options_.batch_rows, generation_.num_beams);
    engine.max_input_tokens = options_.max_input_tokens;
    engine.max_draft_tokens = options_.draft_tokens;
    engine.max_new_tokens = generation_.max_new_tokens;
    engine.max_encode_tokens = std::max(engine.max_encode_tokens, options_.max_input_tokens);
    ASSIGN_OR_RETURN(engine_, NewEngine(checkpoint.config, engine, backend_.get()));
    return absl::OkStatus();
  }

  absl::Status Mix(const v1::Steering& steering) {
    ASSIGN_OR_RETURN(Steering resolved, ResolveSteering(parameters_->clp(), CoefficientGrid(), SteeringOf(steering)));
    ASSIGN_OR_RETURN(auto weights, MixedWeights::Mix(parameters_, resolved.coefficients, backend_.get()));
    mixtures_.push_back({std::move(resolved.weighting), std::move(weights)});
    return absl::OkStatus();
  }

  // False: memory is short, and another must finish first.
  absl::StatusOr<bool> Admit(size_t job, const Article& article) {
    const Mixture& mixture = mixtures_[job % mixtures_.size()];
    bool truncated = false;
    ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                     tokenizer_->Encode(BuildPrompt(parameters_->clp(), mixture.weighting, article.text),
                                        parameters_->config().eos_id, options_.max_input_tokens, &truncated));
    v1::SummarizeResponse reply;
    v1::AppliedWeighting* applied = reply.mutable_weighting();
    applied->set_alpha(mixture.weighting.alpha());
    applied->mutable_weights()->Assign(mixture.weighting.w().begin(), mixture.weighting.w().end());
    const std::vector<float>& c = mixture.weights->coefficients().values();
    applied->mutable_coefficients()->Assign(c.begin(), c.end());
    reply.set_truncated(truncated);
    reply.set_input_tokens(static_cast<int32_t>(ids.size()));
    const absl::Status status = engine_->Admit({job, std::move(ids), mixture.weights, generation_});
    if (absl::IsResourceExhausted(status) && !engine_->idle()) return false;
    RETURN_IF_ERROR(status);
    replies_[job] = std::move(reply);
    return true;
  }

  bool Done(size_t job) const {
    return replies_[job].has_value() && replies_[job]->finish_reason() != v1::FINISH_REASON_UNSPECIFIED;
  }

  void Complete(const Generation& generation, v1::SummarizeResponse* reply) {
    reply->set_summary(tokenizer_->Decode(generation.tokens));
    reply->set_finish_reason(generation.finish_reason == FinishReason::kEos ? v1::FINISH_REASON_EOS
                                                                            : v1::FINISH_REASON_LENGTH);
    reply->set_output_tokens(static_cast<int32_t>(generation.tokens.size()));
    reply->mutable_token_ids()->Assign(generation.tokens.begin(), generation.tokens.end());
    reply->mutable_log_probs()->Assign(generation.log_probs.begin(), generation.log_probs.end());
  }

  const OfflineOptions options_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::shared_ptr<const Parameters> parameters_;
  std::vector<Mixture> mixtures_;
  GenerationOptions generation_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::optional<v1::SummarizeResponse>> replies_;  // By job; set when admitted.
};

}  // namespace

absl::Status SummarizeOffline(const OfflineOptions& options, const std::vector<Article>& articles,
                              const std::vector<v1::Steering>& steerings, const v1::GenerationOptions& generation,
                              const OnSummary& on_summary) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Batch> batch, Batch::Create(options, steerings, generation));
  return batch->Run(articles, on_summary);
}

}  // namespace trimtab
