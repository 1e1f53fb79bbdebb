// T5 and CLP folders with random weights in the shapes people use: to measure speed where the values do not matter.
#ifndef TRIMTAB_MODEL_RANDOM_CHECKPOINT_H_
#define TRIMTAB_MODEL_RANDOM_CHECKPOINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/t5_config.h"

namespace trimtab {

// "t5-small", "t5-base", "flan-t5-small", "flan-t5-base", "flan-t5-large".
std::vector<std::string> KnownShapes();

// InvalidArgument, listing KnownShapes(), for any other name.
absl::StatusOr<T5Config> KnownShape(absl::string_view name);

// Writes config.json, generation_config.json and model.safetensors (F32) as Hugging Face does, and a copy of the
// SentencePiece model at `tokenizer` (at most vocab_size pieces). Values are uniform with the deviations T5 starts
// training from, the same for the same seed. `out` must not exist or be empty.
absl::Status WriteRandomCheckpoint(const T5Config& config, uint64_t seed, const std::string& tokenizer,
                                   const std::string& out);

// Likewise a CLP checkpoint: rewards r0, r1, ..., each conditioned tensor drawn anew per set, mixing softmdp with
// alpha_min 0.01. REQUIRES: `variant` is "full", "attn" or "logit", rewards is from 1 to 16.
absl::Status WriteRandomClp(const T5Config& config, const std::string& variant, int rewards, uint64_t seed,
                            const std::string& tokenizer, const std::string& out);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_RANDOM_CHECKPOINT_H_
