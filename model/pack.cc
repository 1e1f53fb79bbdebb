#include "model/pack.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "model/checkpoint_files.h"
#include "model/checkpoint_writer.h"
#include "model/rewards/reward_model.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

absl::StatusOr<ClpConfig> Described(ClpConfig clp, const PackOptions& options) {
  if (!options.name.empty()) clp.name = options.name;
  if (options.default_alpha.has_value()) clp.default_alpha = *options.default_alpha;
  for (const auto& [name, preset] : options.presets) clp.presets[name] = preset;
  clp.digest.clear();
  return ParseClpConfig(ClpConfigToJson(clp));
}

absl::Status PackReference(const Checkpoint& rounded, const std::string& out) {
  TensorMap reference;
  for (const ModelTensor& tensor : rounded.tensors) {
    if (tensor.conditioned) reference.emplace(tensor.spec.name, tensor.sets.back());
  }
  return WriteTensors(reference, out, kReferenceFile);
}

absl::Status PackRewardModel(const std::string& folder, const std::string& out) {
  ASSIGN_OR_RETURN(const TensorSet model, OpenHuggingFaceTensors(folder));
  RoundedTensors rounded;
  TensorMap tensors;
  for (const auto& [name, tensor] : model.tensors()) tensors.emplace(name, rounded.Round(tensor));
  RETURN_IF_ERROR(WriteTensors(tensors, out, kPlainFile));
  RETURN_IF_ERROR(CopyFile(folder, out, kRewardModelFile));
  return CopyTexts(folder, out);
}

}  // namespace

absl::Status PackCheckpoint(const std::string& folder, const PackOptions& options, const std::string& out) {
  ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(folder));
  if (checkpoint.clp.rewards.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder, " has no rewards; expected a CLP checkpoint"));
  }
  ASSIGN_OR_RETURN(checkpoint.clp, Described(std::move(checkpoint.clp), options));
  ASSIGN_OR_RETURN(const auto judges, RewardModelFolders(options.judges.empty() ? folder : options.judges));
  RETURN_IF_ERROR(MakeEmptyFolder(out));
  RoundedTensors rounded;
  for (ModelTensor& tensor : checkpoint.tensors) {
    for (Tensor& set : tensor.sets) set = rounded.Round(set);
  }
  checkpoint.digest = ParametersDigest(checkpoint.tensors);
  for (const auto& [name, judge] : judges) {
    RETURN_IF_ERROR(PackRewardModel(judge, absl::StrCat(out, "/", kRewardModelsFolder, "/", name)));
  }
  if (checkpoint.clp.has_reference()) RETURN_IF_ERROR(PackReference(checkpoint, out));
  return WriteClpFolder(checkpoint, folder, out);
}

}  // namespace trimtab
