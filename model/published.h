// What a trainer publishes of a checkpoint: every shared tensor and every reward's set; never the reference.
#ifndef TRIMTAB_MODEL_PUBLISHED_H_
#define TRIMTAB_MODEL_PUBLISHED_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint.h"
#include "model/safetensors.h"

namespace trimtab {

// Where one published tensor lies in its checkpoint.
struct PublishedTensor {
  size_t tensor = 0;   // In Checkpoint::tensors.
  size_t set = 0;      // In ModelTensor::sets.
  std::string reward;  // Whose set; empty for a shared tensor.

  const Tensor& In(const Checkpoint& checkpoint) const { return checkpoint.tensors[tensor].sets[set]; }
  const TensorSpec& SpecIn(const Checkpoint& checkpoint) const { return checkpoint.tensors[tensor].spec; }
};

// Model order; within a tensor, order of the rewards. The same for every checkpoint of one model.
std::vector<PublishedTensor> PublishedTensors(const Checkpoint& checkpoint);

// "shared/<tensor>" or "rewards/<reward>/<tensor>": unique in a file of all published tensors.
std::string PublishedName(absl::string_view tensor, absl::string_view reward);

// The model of `base` with other published tensors, one for each of PublishedTensors(base), in that order and of its
// shape, under the name `version`. `owner` keeps their bytes alive, `base` may go; its tokenizer stays behind. Whether
// the digest is theirs is for the caller to check (ParametersDigest).
Checkpoint WithPublished(const Checkpoint& base, const std::vector<Tensor>& tensors, std::shared_ptr<const void> owner,
                         const ParameterVersion& version);

// The published tensors of `file`, in the order of PublishedTensors(base). InvalidArgument where one is missing, has
// another shape or is no float, or does not belong there.
absl::StatusOr<std::vector<Tensor>> PublishedTensorsOf(const Safetensors& file, const Checkpoint& base);

// The head of a safetensors file that holds all published tensors of `checkpoint`, one after the other.
absl::StatusOr<std::string> PublishedHeader(const Checkpoint& checkpoint,
                                            const std::map<std::string, std::string>& metadata);

// `checkpoint` with its published tensors rounded to BF16, the usual published form of float32 masters, under their
// digest.
Checkpoint RoundPublished(const Checkpoint& checkpoint);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_PUBLISHED_H_
