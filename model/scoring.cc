#include "model/scoring.h"

#include <algorithm>
#include <memory>

#include "kernels/choice.h"
#include "model/decoder.h"
#include "model/encoder_pass.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// Of one pass: bounds its memory, logits above all.
constexpr size_t kMaxInputTokens = 4096;
constexpr size_t kMaxTargets = 512;

// How many of the sequences one pass takes; at least one.
size_t FitsOnePass(std::span<const ScoredSequence> sequences) {
  size_t count = 0, inputs = 0, targets = 0;
  for (const ScoredSequence& sequence : sequences) {
    inputs += sequence.input_ids.size();
    targets += sequence.targets.size();
    if (count > 0 && (inputs > kMaxInputTokens || targets > kMaxTargets)) break;
    ++count;
  }
  return count;
}

// Encodes the articles together. Fills one CrossAttention each.
absl::Status EncodeAll(const MixedWeights& weights, std::span<const ScoredSequence> sequences, LaneMath& math,
                       std::vector<std::unique_ptr<CrossAttention>>* crosses) {
  const T5Config& config = weights.parameters().config();
  std::vector<EncoderInput> inputs;
  int64_t tokens = 0;
  for (const ScoredSequence& sequence : sequences) {
    const int32_t length = static_cast<int32_t>(sequence.input_ids.size());
    ASSIGN_OR_RETURN(crosses->emplace_back(), CrossAttention::Create(config, length, math.backend()));
    inputs.push_back({sequence.input_ids, &weights.weights(), crosses->back().get()});
    tokens += length;
  }
  ASSIGN_OR_RETURN(Activations activations, Activations::Create(config, tokens, math.backend()));
  EncoderPass pass(math, inputs, &activations);
  while (!pass.done()) pass.Advance();
  return absl::OkStatus();
}

// Every step of every sequence is a row of one decode step: keys and values are written before any row reads them, and
// a row reads no position after its own.
absl::Status ScoreOnePass(const MixedWeights& weights, std::span<const ScoredSequence> sequences, LaneMath& math,
                          std::vector<std::vector<float>>* log_probs) {
  const T5Config& config = weights.parameters().config();
  std::vector<std::unique_ptr<CrossAttention>> crosses;
  RETURN_IF_ERROR(EncodeAll(weights, sequences, math, &crosses));
  std::vector<DecoderRow> rows;
  size_t longest = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::span<const int32_t> targets = sequences[i].targets;
    longest = std::max(longest, targets.size());
    for (size_t t = 0; t < targets.size(); ++t) {
      const int32_t fed = t == 0 ? config.decoder_start_id : targets[t - 1];
      rows.push_back({&weights.weights(), fed, static_cast<int32_t>(t), static_cast<int32_t>(i), crosses[i].get()});
    }
  }
  ASSIGN_OR_RETURN(KvSlots slots, KvSlots::Create(config, static_cast<int32_t>(sequences.size()),
                                                  static_cast<int32_t>(longest), math.backend()));
  ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, Decoder::Create(math, static_cast<int32_t>(rows.size()), &slots));
  const Rows logits = decoder->Step(rows);
  const float* row = math.backend()->OnHost(logits.data, logits.count * logits.stride);
  for (const ScoredSequence& sequence : sequences) {
    std::vector<float>& scores = log_probs->emplace_back();
    for (int32_t target : sequence.targets) {
      const std::span<const float> of_row(row, config.vocab_size);
      scores.push_back(static_cast<float>(of_row[target] - LogSumExp(of_row)));
      row += logits.stride;
    }
  }
  return absl::OkStatus();
}

// Appends the first `width` elements of each row that the backend holds to host memory.
void Append(Backend* backend, Rows rows, int64_t width, std::vector<float>* out) {
  const Rows host{backend->OnHost(rows.data, rows.count * rows.stride), rows.count, rows.stride};
  for (int64_t i = 0; i < host.count; ++i) out->insert(out->end(), host.row(i), host.row(i) + width);
}

// Encodes one article; `output` is filled with what the encoder gives, (tokens, d_model), unless it is null.
absl::StatusOr<std::unique_ptr<CrossAttention>> EncodeOne(const MixedWeights& weights,
                                                          std::span<const int32_t> input_ids, LaneMath& math,
                                                          std::vector<float>* output) {
  const T5Config& config = weights.parameters().config();
  const int32_t length = static_cast<int32_t>(input_ids.size());
  ASSIGN_OR_RETURN(std::unique_ptr<CrossAttention> cross, CrossAttention::Create(config, length, math.backend()));
  ASSIGN_OR_RETURN(Activations activations, Activations::Create(config, length, math.backend()));
  const EncoderInput input{input_ids, &weights.weights(), cross.get()};
  EncoderPass pass(math, {&input, 1}, &activations);
  while (!pass.done()) pass.Advance();
  if (output != nullptr) Append(math.backend(), pass.output(), config.d_model, output);
  return cross;
}

}  // namespace

absl::StatusOr<std::vector<float>> TeacherForcedLogits(const MixedWeights& weights, std::span<const int32_t> input_ids,
                                                       std::span<const int32_t> decoder_ids, Backend* backend) {
  const T5Config& config = weights.parameters().config();
  LaneMath math(config, backend);
  RETURN_IF_ERROR(math.Reserve(weights.parameters()));
  ASSIGN_OR_RETURN(std::unique_ptr<CrossAttention> cross, EncodeOne(weights, input_ids, math, nullptr));
  ASSIGN_OR_RETURN(KvSlots slots, KvSlots::Create(config, 1, static_cast<int32_t>(decoder_ids.size()), backend));
  ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, Decoder::Create(math, 1, &slots));
  std::vector<float> logits;
  for (size_t t = 0; t < decoder_ids.size(); ++t) {
    const DecoderRow row{&weights.weights(), decoder_ids[t], static_cast<int32_t>(t), 0, cross.get()};
    Append(backend, decoder->Step({&row, 1}), config.vocab_size, &logits);
  }
  return logits;
}

absl::StatusOr<std::vector<std::vector<float>>> TargetLogProbs(const MixedWeights& weights,
                                                               std::span<const ScoredSequence> sequences,
                                                               Backend* backend) {
  LaneMath math(weights.parameters().config(), backend);
  RETURN_IF_ERROR(math.Reserve(weights.parameters()));
  std::vector<std::vector<float>> log_probs;
  while (!sequences.empty()) {
    const size_t count = FitsOnePass(sequences);
    RETURN_IF_ERROR(ScoreOnePass(weights, sequences.first(count), math, &log_probs));
    sequences = sequences.subspan(count);
  }
  return log_probs;
}

absl::StatusOr<std::vector<float>> EncoderOutput(const MixedWeights& weights, std::span<const int32_t> input_ids,
                                                 Backend* backend) {
  LaneMath math(weights.parameters().config(), backend);
  RETURN_IF_ERROR(math.Reserve(weights.parameters()));
  std::vector<float> output;
  RETURN_IF_ERROR(EncodeOne(weights, input_ids, math, &output).status());
  return output;
}

}  // namespace trimtab
