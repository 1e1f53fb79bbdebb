#include "model/engine_memory.h"

#include "model/decoder.h"
#include "model/encoder_pass.h"
#include "model/kv_slots.h"
#include "model/lanes.h"

namespace trimtab {

EngineMemory MemoryOf(const T5Config& config, const EngineOptions& options) {
  constexpr int64_t kElement = sizeof(float);
  return {.fixed = kElement * (Activations::Elements(config, options.max_encode_tokens) +
                               Decoder::Elements(config, kRowsWithDrafts)),
          .row = kElement * (KvSlots::Elements(config, options.max_new_tokens) + Decoder::Elements(config, 1)),
          .input_token = kElement * CrossAttention::Elements(config, 1)};
}

}  // namespace trimtab
