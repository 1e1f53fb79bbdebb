// What an engine takes of the backend's memory, known before there is one.
#ifndef TRIMTAB_MODEL_ENGINE_MEMORY_H_
#define TRIMTAB_MODEL_ENGINE_MEMORY_H_

#include <cstdint>

#include "model/engine.h"
#include "model/t5_config.h"

namespace trimtab {

// Rows of a step that guesses may fill up to: about what the weights, once read, serve at no further cost.
inline constexpr int32_t kRowsWithDrafts = 12;

// Bytes, but for what allocators round up.
struct EngineMemory {
  int64_t fixed = 0;        // Whatever it is asked, but for the parameters' scratch_bytes().
  int64_t row = 0;          // For each of max_rows.
  int64_t input_token = 0;  // For each token of an article, as long as somebody decodes from it.
};
EngineMemory MemoryOf(const T5Config& config, const EngineOptions& options);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_ENGINE_MEMORY_H_
