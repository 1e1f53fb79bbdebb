// Continuous batching: requests join and leave at every step, whatever their weights.
#ifndef TRIMTAB_MODEL_ENGINE_H_
#define TRIMTAB_MODEL_ENGINE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kernels/backend.h"
#include "model/generation.h"
#include "model/mixed_weights.h"

namespace trimtab {

struct EngineOptions {
  int32_t max_rows = 32;             // Decode rows in one step (a beam search takes one per beam). Bounds K/V memory.
  int32_t max_input_tokens = 512;    // Per request.
  int32_t max_new_tokens = 128;      // Per request.
  int32_t max_encode_tokens = 1024;  // Tokens of one encoder pass, at least max_input_tokens: bounds a stall.
  // Encoding between two decode steps, in times of the last one: how much arrivals may slow down what runs. A decode
  // step beside an encoder layer costs the reading of all weights, so fewer of them leave more for the encoder.
  // Where more wait to be encoded than decode, so many times more, up to ten times.
  double max_stall = 1.5;
  int32_t max_draft_tokens = 0;  // Guesses per request and step (drafter.h); 0: none. The text is the same with any.
};

// One model of several whose logits are mixed.
struct LogitExpert {
  std::shared_ptr<const MixedWeights> weights;  // Kept until the request ends.
  float coefficient = 1.0f;
};

struct EngineRequest {
  uint64_t id = 0;                              // Unique among the requests in the engine.
  std::vector<int32_t> input_ids;               // 1 to max_input_tokens, EOS included.
  std::shared_ptr<const MixedWeights> weights;  // Kept until the request ends.
  GenerationOptions options;
  // Not empty: `weights` is null, and each token is chosen from sum_j coefficient_j * logits_j of these models in
  // lockstep, as decoding-time realignment does for alpha and multi-objective decoding for w. Costs a row, an encoder
  // pass and keys and values per expert, which is what mixing parameters saves. Greedy or sampling only.
  std::vector<LogitExpert> experts = {};
};

struct EngineEvent {
  enum class Kind {
    kEncoded,   // The article is encoded; decoding starts with the next step.
    kToken,     // `token` was generated (greedy and sampling only; beams speak at the end).
    kFinished,  // `generation` is complete; the request has left the engine.
  };
  uint64_t id = 0;
  Kind kind = Kind::kToken;
  int32_t token = 0;
  Generation generation;
  absl::Duration mix_time = {};  // When finished: spent since admission on mixing its weights, alone or for others too.
};

// What one step did, for metrics.
struct StepStats {
  int32_t decode_rows = 0;
  int32_t basis_rows = 0;     // Of these, over the basis.
  int32_t lanes = 0;          // Distinct mixed weights among the decode rows.
  int32_t encode_tokens = 0;  // Tokens of the encoder pass that advanced.
  int32_t draft_tokens = 0;   // Guessed, and run beside the decode rows.
  int32_t draft_accepted = 0;
};

// Runs T5 forward passes for many requests at once. Requests that read the same article with the same bits of encoder
// share its encoding (article_encoder.h). Not thread-safe: one owner thread.
class Engine {
 public:
  virtual ~Engine() = default;

  // Rows free for new requests. A request needs options.num_beams of them, or one per expert.
  virtual int32_t free_rows() const = 0;
  virtual bool idle() const = 0;  // No request inside.

  // Takes a request in; its encoding starts with the next step. InvalidArgument for an input or options beyond the
  // engine's limits, ResourceExhausted when rows or memory are short (nothing is kept then).
  virtual absl::Status Admit(EngineRequest request) = 0;

  // Forgets a request; no further event names it. Unknown ids are ignored.
  virtual void Cancel(uint64_t id) = 0;

  // Some layers of the pending encoder pass, if any (one, or more where they take little beside decoding), then one
  // token for every decoding request, more where guesses were right. Appends what happened.
  virtual StepStats Step(std::vector<EngineEvent>* events) = 0;
};

// `config` is the shape shared by all weights to come; `backend` must outlive the engine.
absl::StatusOr<std::unique_ptr<Engine>> NewEngine(const T5Config& config, const EngineOptions& options,
                                                  Backend* backend);

// Runs one request alone to its end. A convenience for tests.
absl::StatusOr<Generation> Generate(Engine& engine, EngineRequest request);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_ENGINE_H_
