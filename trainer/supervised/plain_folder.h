#ifndef TRIMTAB_TRAINER_SUPERVISED_PLAIN_FOLDER_H_
#define TRIMTAB_TRAINER_SUPERVISED_PLAIN_FOLDER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/t5_config.h"
#include "trainer/supervised/first_layers.h"
#include "trainer/tensors.h"

namespace trimtab {

// A plain Hugging Face T5 folder that training fills: config.json, generation_config.json, spiece.model at once,
// model.safetensors at the end, and meanwhile the state to go on from.

// What training starts with.
struct Start {
  Checkpoint checkpoint;  // Its config is that of `weights`.
  NamedTensors weights;
};

// From the folder `model`, or from what `keep` leaves of it; its texts are copied to `out`, and say so.
// FailedPrecondition when the state in `out` is of another number of layers.
absl::StatusOr<Start> StartFrom(const std::string& model, const std::string& out, const FirstLayers& keep = {});

// The shape of a model made from nothing: T5 v1.1's gated feed-forward, with tied embeddings.
struct NewShape {
  int32_t d_model = 256;
  int32_t heads = 4;
  int32_t d_ff = 640;
  int32_t layers = 3;  // Of the encoder, and of the decoder.
};
// From random weights that copy (copy_start.h), for the pieces of `tokenizer`. The same for the same seed.
absl::StatusOr<Start> StartFromNothing(const NewShape& shape, const std::string& tokenizer, uint64_t seed,
                                       const std::string& out);

std::string StateFile(const std::string& out);  // For RunSupervised.
absl::Status WriteWeights(const NamedTensors& weights, const std::string& out);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_SUPERVISED_PLAIN_FOLDER_H_
