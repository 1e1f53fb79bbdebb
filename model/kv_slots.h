#ifndef TRIMTAB_MODEL_KV_SLOTS_H_
#define TRIMTAB_MODEL_KV_SLOTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/t5_config.h"

namespace trimtab {

// Self-attention keys and values of the decoder in fixed slots: one slot per hypothesis, never concatenated or moved.
// Not thread-safe.
class KvSlots {
 public:
  static absl::StatusOr<KvSlots> Create(const T5Config& config, int32_t slots, int32_t max_positions, Backend* backend);
  static int64_t Elements(const T5Config& config, int32_t max_positions);  // That it allocates for one slot.

  int32_t free_slots() const { return static_cast<int32_t>(free_.size()); }
  int32_t Acquire();  // REQUIRES: free_slots() > 0.
  void Release(int32_t slot);

  // (max_positions, inner) of one layer.
  float* keys(int32_t slot, int32_t layer) { return buffer_.data() + (slot * layers_ + layer) * 2 * plane_; }
  float* values(int32_t slot, int32_t layer) { return keys(slot, layer) + plane_; }

  // The first `positions` of every layer.
  void CopySlot(int32_t from, int32_t to, int32_t positions, Backend* backend);

 private:
  KvSlots() = default;
  int64_t layers_ = 0;
  int64_t plane_ = 0;
  int64_t inner_ = 0;
  Buffer buffer_;
  std::vector<int32_t> free_;
};

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_KV_SLOTS_H_
