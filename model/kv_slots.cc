#include "model/kv_slots.h"

#include "model/status_macros.h"

namespace trimtab {

absl::StatusOr<KvSlots> KvSlots::Create(const T5Config& config, int32_t slots, int32_t max_positions,
                                        Backend* backend) {
  KvSlots kv;
  kv.layers_ = config.decoder_layers;
  kv.inner_ = config.inner();
  kv.plane_ = max_positions * kv.inner_;
  ASSIGN_OR_RETURN(kv.buffer_, backend->Allocate(slots * Elements(config, max_positions)));
  for (int32_t slot = slots - 1; slot >= 0; --slot) kv.free_.push_back(slot);
  return kv;
}

int64_t KvSlots::Elements(const T5Config& config, int32_t max_positions) {
  return int64_t{2} * config.decoder_layers * max_positions * config.inner();
}

int32_t KvSlots::Acquire() {
  const int32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void KvSlots::Release(int32_t slot) { free_.push_back(slot); }

void KvSlots::CopySlot(int32_t from, int32_t to, int32_t positions, Backend* backend) {
  for (int32_t layer = 0; layer < layers_; ++layer) {
    backend->Copy(keys(from, layer), positions * inner_, keys(to, layer));
    backend->Copy(values(from, layer), positions * inner_, values(to, layer));
  }
}

}  // namespace trimtab
