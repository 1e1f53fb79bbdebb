#include "model/encoder_pass.h"

#include "model/status_macros.h"

namespace trimtab {

absl::StatusOr<std::unique_ptr<CrossAttention>> CrossAttention::Create(const T5Config& config, int32_t length,
                                                                       Backend* backend) {
  std::unique_ptr<CrossAttention> cross(new CrossAttention());
  cross->length_ = length;
  cross->plane_ = int64_t{length} * config.inner();
  ASSIGN_OR_RETURN(cross->buffer_, backend->Allocate(Elements(config, length)));
  return cross;
}

int64_t CrossAttention::Elements(const T5Config& config, int32_t length) {
  return int64_t{2} * config.decoder_layers * length * config.inner();
}

EncoderPass::EncoderPass(LaneMath& math, std::span<const EncoderInput> inputs, Activations* activations)
    : math_(math), stages_(2 * math.config().encoder_layers + math.config().decoder_layers) {
  for (const EncoderInput& input : inputs) {
    const int64_t begin = tokens();
    const int64_t length = static_cast<int64_t>(input.ids.size());
    ids_.insert(ids_.end(), input.ids.begin(), input.ids.end());
    lanes_.push_back({input.weights, begin, length});
    sequences_.push_back({begin, length, input.weights->encoder_bias});
    cross_.push_back(input.cross);
  }
  a_ = activations->Take(tokens());
}

void EncoderPass::Advance() {
  const T5Config& config = math_.config();
  if (stage_ == 0) math_.Embed(batch(), ids_, a_.hidden);
  const int32_t encoder_stages = 2 * config.encoder_layers;
  if (stage_ < encoder_stages) {
    stage_ % 2 == 0 ? SelfAttention(stage_ / 2) : FeedForward(stage_ / 2);
  } else {
    if (stage_ == encoder_stages) {
      math_.Norm(
          batch(), a_.hidden, [](const T5Weights& w) { return w.encoder_norm; }, a_.normed);
    }
    CrossKeysValues(stage_ - encoder_stages);
    SettleDecoder(stage_ - encoder_stages);
  }
  ++stage_;
}

void EncoderPass::SelfAttention(int32_t layer) {
  auto self = [layer](const T5Weights& w) -> const AttentionWeights& { return w.encoder[layer].self; };
  math_.Norm(
      batch(), a_.hidden, [&](const T5Weights& w) { return self(w).norm; }, a_.normed);
  math_.QueryKeyValue(batch(), a_, self);
  const T5Config& config = math_.config();
  math_.backend()->Attend(EncoderAttention{a_.q, a_.k, a_.v, a_.attended, config.num_heads, config.d_kv, sequences_});
  math_.MatMul(
      batch(), a_.attended, [&](const T5Weights& w) -> const WeightMatrix& { return self(w).o; }, a_.hidden,
      Accumulate::kAdd);
}

void EncoderPass::FeedForward(int32_t layer) {
  math_.FeedForward(batch(), a_,
                    [layer](const T5Weights& w) -> const FeedForwardWeights& { return w.encoder[layer].feed_forward; });
}

void EncoderPass::CrossKeysValues(int32_t layer) {
  math_.KeyValue(batch(), a_,
                 [layer](const T5Weights& w) -> const AttentionWeights& { return w.decoder[layer].cross; });
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const int64_t elements = lanes_[i].count * math_.config().inner();
    math_.backend()->Copy(a_.k.row(lanes_[i].begin), elements, cross_[i]->keys(layer));
    math_.backend()->Copy(a_.v.row(lanes_[i].begin), elements, cross_[i]->values(layer));
  }
}

void EncoderPass::SettleDecoder(int32_t layer) {
  for (const Lane& lane : lanes_) {
    const T5Weights& weights = *lane.weights;
    const auto& [self, cross, feed_forward] = weights.decoder[layer];
    math_.Settle(weights, {&self.q, &self.k, &self.v, &self.o, &cross.q, &cross.o, &feed_forward.wi, &feed_forward.up,
                           &feed_forward.wo});
    if (layer + 1 == math_.config().decoder_layers) math_.Settle(weights, {&weights.lm_head});
  }
}

}  // namespace trimtab
