#include "model/decoder.h"

#include <algorithm>
#include <utility>

#include "model/status_macros.h"

namespace trimtab {

absl::StatusOr<std::unique_ptr<Decoder>> Decoder::Create(LaneMath& math, int32_t max_rows, KvSlots* slots) {
  ASSIGN_OR_RETURN(Activations activations, Activations::Create(math.config(), max_rows, math.backend()));
  ASSIGN_OR_RETURN(Buffer logits, math.backend()->Allocate(int64_t{max_rows} * math.config().vocab_size));
  ASSIGN_OR_RETURN(Buffer coefficients, math.backend()->Allocate(int64_t{max_rows} * kMaxSets));
  return std::unique_ptr<Decoder>(
      new Decoder(math, slots, std::move(activations), std::move(logits), std::move(coefficients)));
}

int64_t Decoder::Elements(const T5Config& config, int32_t max_rows) {
  return Activations::Elements(config, max_rows) + int64_t{max_rows} * (config.vocab_size + kMaxSets);
}

Rows Decoder::Step(std::span<const DecoderRow> rows) {
  const T5Config& config = math_.config();
  GroupLanes(rows);
  a_ = activations_.Take(static_cast<int64_t>(rows.size()));
  math_.backend()->BeginStep();
  math_.Embed(batch_, ids_, a_.hidden);
  for (int32_t layer = 0; layer < config.decoder_layers; ++layer) {
    SelfAttention(rows, layer);
    CrossAttend(rows, layer);
    math_.FeedForward(
        batch_, a_, [layer](const T5Weights& w) -> const FeedForwardWeights& { return w.decoder[layer].feed_forward; });
  }
  math_.Norm(
      batch_, a_.hidden, [](const T5Weights& w) { return w.decoder_norm; }, a_.normed);
  const Rows logits{logits_.data(), a_.hidden.count, config.vocab_size};
  math_.MatMul(
      batch_, a_.normed, [](const T5Weights& w) -> const WeightMatrix& { return w.lm_head; }, logits,
      Accumulate::kStore);
  math_.backend()->EndStep();
  return logits;
}

void Decoder::GroupLanes(std::span<const DecoderRow> rows) {
  const Rows coefficients{coefficients_.data(), static_cast<int64_t>(rows.size()), kMaxSets};
  lanes_.clear();
  ids_.clear();
  coefficient_values_.assign(rows.size() * kMaxSets, 0.0f);
  for (const DecoderRow& row : rows) {
    if (lanes_.empty() || lanes_.back().weights != row.weights) {
      lanes_.push_back({row.weights, static_cast<int64_t>(ids_.size()), 0});
    }
    const std::vector<float>& c = row.weights->coefficients;
    std::copy(c.begin(), c.end(), coefficient_values_.begin() + static_cast<int64_t>(ids_.size()) * kMaxSets);
    ++lanes_.back().count;
    ids_.push_back(row.token);
  }
  math_.backend()->Copy(coefficient_values_.data(), coefficients.count * kMaxSets, coefficients.data);
  batch_ = {lanes_, coefficients};
}

void Decoder::SelfAttention(std::span<const DecoderRow> rows, int32_t layer) {
  auto self = [layer](const T5Weights& w) -> const AttentionWeights& { return w.decoder[layer].self; };
  const int64_t inner = math_.config().inner();
  math_.Norm(
      batch_, a_.hidden, [&](const T5Weights& w) { return self(w).norm; }, a_.normed);
  math_.QueryKeyValue(batch_, a_, self);
  key_rows_.clear();
  value_rows_.clear();
  queries_.clear();
  for (const DecoderRow& row : rows) {
    float* keys = slots_->keys(row.slot, layer);
    float* values = slots_->values(row.slot, layer);
    key_rows_.push_back(keys + row.position * inner);
    value_rows_.push_back(values + row.position * inner);
    queries_.push_back({keys, values, inner, row.position + 1, row.position, row.weights->decoder_bias});
  }
  math_.backend()->Scatter(a_.k, inner, key_rows_);
  math_.backend()->Scatter(a_.v, inner, value_rows_);
  AttendAndProject(self);
}

void Decoder::CrossAttend(std::span<const DecoderRow> rows, int32_t layer) {
  auto cross = [layer](const T5Weights& w) -> const AttentionWeights& { return w.decoder[layer].cross; };
  math_.Norm(
      batch_, a_.hidden, [&](const T5Weights& w) { return cross(w).norm; }, a_.normed);
  math_.MatMul(
      batch_, a_.normed, [&](const T5Weights& w) -> const WeightMatrix& { return cross(w).q; }, a_.q,
      Accumulate::kStore);
  queries_.clear();
  for (const DecoderRow& row : rows) {
    queries_.push_back({row.cross->keys(layer), row.cross->values(layer), math_.config().inner(), row.cross->length(),
                        row.position, RelativeBias{}});
  }
  AttendAndProject(cross);
}

void Decoder::AttendAndProject(LaneMath::AttentionOf of) {
  const T5Config& config = math_.config();
  math_.backend()->Attend(DecodeAttention{a_.q, a_.attended, config.num_heads, config.d_kv, queries_});
  math_.MatMul(
      batch_, a_.attended, [&](const T5Weights& w) -> const WeightMatrix& { return of(w).o; }, a_.hidden,
      Accumulate::kAdd);
}

}  // namespace trimtab
