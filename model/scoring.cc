#include "model/scoring.h"

#include "model/decoder.h"
#include "model/encoder_pass.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// Appends the first `width` elements of each row that the backend holds to host memory.
void Append(Backend* backend, Rows rows, int64_t width, std::vector<float>* out) {
  const Rows host{backend->OnHost(rows.data, rows.count * rows.stride), rows.count, rows.stride};
  for (int64_t i = 0; i < host.count; ++i) out->insert(out->end(), host.row(i), host.row(i) + width);
}

}  // namespace

absl::StatusOr<std::vector<float>> TeacherForcedLogits(const MixedWeights& weights, std::span<const int32_t> input_ids,
                                                       std::span<const int32_t> decoder_ids, Backend* backend) {
  const T5Config& config = weights.parameters().config();
  LaneMath math(config, backend);
  RETURN_IF_ERROR(math.Reserve(weights.parameters()));
  const int32_t length = static_cast<int32_t>(input_ids.size());
  ASSIGN_OR_RETURN(std::unique_ptr<CrossAttention> cross, CrossAttention::Create(config, length, backend));
  ASSIGN_OR_RETURN(Activations activations, Activations::Create(config, length, backend));
  const EncoderInput input{input_ids, &weights.weights(), cross.get()};
  EncoderPass pass(math, {&input, 1}, &activations);
  while (!pass.done()) pass.Advance();
  ASSIGN_OR_RETURN(KvSlots slots, KvSlots::Create(config, 1, static_cast<int32_t>(decoder_ids.size()), backend));
  ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, Decoder::Create(math, 1, &slots));
  std::vector<float> logits;
  for (size_t t = 0; t < decoder_ids.size(); ++t) {
    const DecoderRow row{&weights.weights(), decoder_ids[t], static_cast<int32_t>(t), 0, cross.get()};
    Append(backend, decoder->Step({&row, 1}), config.vocab_size, &logits);
  }
  return logits;
}

absl::StatusOr<std::vector<float>> EncoderOutput(const MixedWeights& weights, std::span<const int32_t> input_ids,
                                                 Backend* backend) {
  const T5Config& config = weights.parameters().config();
  LaneMath math(config, backend);
  RETURN_IF_ERROR(math.Reserve(weights.parameters()));
  const int32_t length = static_cast<int32_t>(input_ids.size());
  ASSIGN_OR_RETURN(std::unique_ptr<CrossAttention> cross, CrossAttention::Create(config, length, backend));
  ASSIGN_OR_RETURN(Activations activations, Activations::Create(config, length, backend));
  const EncoderInput input{input_ids, &weights.weights(), cross.get()};
  EncoderPass pass(math, {&input, 1}, &activations);
  while (!pass.done()) pass.Advance();
  std::vector<float> output;
  Append(backend, pass.output(), config.d_model, &output);
  return output;
}

}  // namespace trimtab
