#include "model/checkpoint_writer.h"

#include <utility>

#include "model/checkpoint_files.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

absl::Status WriteParts(const Checkpoint& checkpoint, const std::string& texts, const std::string& out) {
  TensorMap shared;
  std::vector<TensorMap> conditioned(checkpoint.clp.rewards.size());
  for (const ModelTensor& tensor : checkpoint.tensors) {
    if (!tensor.conditioned) shared.emplace(tensor.spec.name, tensor.sets[0]);
    for (size_t i = 0; tensor.conditioned && i < conditioned.size(); ++i) {
      conditioned[i].emplace(tensor.spec.name, tensor.sets[i]);
    }
  }
  RETURN_IF_ERROR(WriteTensors(shared, out, kSharedFile));
  for (size_t i = 0; i < conditioned.size() && !conditioned[i].empty(); ++i) {
    RETURN_IF_ERROR(WriteTensors(conditioned[i], out, ConditionedFile(checkpoint.clp.rewards[i].name)));
  }
  return CopyTexts(texts, out);
}

absl::Status WriteClp(ClpConfig clp, const std::string& digest, const std::string& out) {
  clp.digest = digest;
  return WriteClpConfig(clp, out);
}

}  // namespace

absl::Status WriteClpFolder(const Checkpoint& checkpoint, const std::string& origin, const std::string& out) {
  RETURN_IF_ERROR(WriteParts(checkpoint, origin, out));
  return WriteClp(checkpoint.clp, checkpoint.digest, out);
}

absl::Status WriteFirstClp(const std::string& folder, ClpConfig clp, const std::string& out) {
  ASSIGN_OR_RETURN(Checkpoint plain, OpenCheckpoint(folder));
  if (!plain.clp.rewards.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder, " is a CLP checkpoint already; expected a plain T5 folder"));
  }
  TensorMap reference;
  for (const ModelTensor& tensor : plain.tensors) reference.emplace(tensor.spec.name, tensor.sets[0]);
  Checkpoint first = plain;
  first.clp = std::move(clp);
  first.tensors = PlanTensors(plain.config, first.clp);
  // An output layer of its own must not lose the scale it had as the embedding.
  if (first.tensors.size() > plain.tensors.size()) first.clp.logit_scale = plain.config.logit_scale;
  for (ModelTensor& tensor : first.tensors) {
    const auto found = reference.find(tensor.spec.name);
    const Tensor& source = found == reference.end() ? reference.at("shared.weight") : found->second;
    tensor.sets.assign(tensor.conditioned ? first.clp.num_sets() : 1, source);
    reference.emplace(tensor.spec.name, source);
  }
  RETURN_IF_ERROR(WriteParts(first, folder, out));
  RETURN_IF_ERROR(WriteTensors(reference, out, kReferenceFile));
  return WriteClp(first.clp, ParametersDigest(first.tensors), out);
}

}  // namespace trimtab
