#ifndef TRIMTAB_MODEL_DECODER_H_
#define TRIMTAB_MODEL_DECODER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/encoder_pass.h"
#include "model/kv_slots.h"
#include "model/lanes.h"

namespace trimtab {

// One hypothesis of one request in a decode step.
struct DecoderRow {
  const T5Weights* weights = nullptr;
  int32_t token = 0;     // Fed in.
  int32_t position = 0;  // Of `token`; positions before it are in the slot.
  int32_t slot = 0;      // Of KvSlots; this step writes `position`.
  CrossAttention* cross = nullptr;
};

// Runs T5's decoder over the rows of many requests, one token each. Allocates nothing in Step once warm. Not
// thread-safe.
class Decoder {
 public:
  static absl::StatusOr<std::unique_ptr<Decoder>> Create(LaneMath& math, int32_t max_rows, KvSlots* slots);
  static int64_t Elements(const T5Config& config, int32_t max_rows);  // That it allocates.

  // Logits (rows.size(), vocab_size), valid until the next Step. Rows with equal weights should be neighbours, and rows
  // that run over one basis too.
  // REQUIRES: 0 < rows.size() <= max_rows.
  Rows Step(std::span<const DecoderRow> rows);

 private:
  Decoder(LaneMath& math, KvSlots* slots, Activations activations, Buffer logits, Buffer coefficients)
      : math_(math),
        slots_(slots),
        activations_(std::move(activations)),
        logits_(std::move(logits)),
        coefficients_(std::move(coefficients)) {
    coefficient_values_.reserve(coefficients_.elements());
  }

  void GroupLanes(std::span<const DecoderRow> rows);
  void SelfAttention(std::span<const DecoderRow> rows, int32_t layer);
  void CrossAttend(std::span<const DecoderRow> rows, int32_t layer);
  void AttendAndProject(LaneMath::AttentionOf of);

  LaneMath& math_;
  KvSlots* const slots_;
  Activations activations_;
  Buffer logits_;
  Buffer coefficients_;                    // (max_rows, kMaxSets)
  std::vector<float> coefficient_values_;  // The same, on the host.
  Activations::View a_;
  LaneBatch batch_;
  std::vector<Lane> lanes_;
  std::vector<int32_t> ids_;
  std::vector<float*> key_rows_, value_rows_;
  std::vector<DecodeQuery> queries_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_DECODER_H_
