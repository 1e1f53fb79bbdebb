#include "model/checkpoint_writer.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/mapped_file.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;

using TensorMap = std::map<std::string, Tensor, std::less<>>;

absl::Status WriteTensors(const TensorMap& tensors, const std::string& out, absl::string_view file) {
  return WriteSafetensors(absl::StrCat(out, "/", file), tensors, {{"format", "pt"}});
}

absl::Status CopyFile(const std::string& from, const std::string& out, absl::string_view name, bool optional) {
  const fs::path source = fs::path(from) / std::string(name);
  std::error_code error;
  if (optional && !fs::exists(source, error)) return absl::OkStatus();
  fs::copy_file(source, fs::path(out) / std::string(name), fs::copy_options::overwrite_existing, error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(source.string(), " cannot be copied to ", out, ": ", error.message()));
}

absl::Status WriteParts(const Checkpoint& checkpoint, const std::string& texts, const std::string& out) {
  std::error_code error;
  fs::create_directories(fs::path(out) / "conditioned", error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(out, " cannot be made: ", error.message()));
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
  RETURN_IF_ERROR(CopyFile(texts, out, kConfigFile, false));
  RETURN_IF_ERROR(CopyFile(texts, out, kGenerationFile, true));
  return CopyFile(texts, out, kTokenizerFile, false);
}

absl::Status WriteClp(ClpConfig clp, const std::string& digest, const std::string& out) {
  clp.digest = digest;
  const std::string text = ClpConfigToJson(clp);
  RETURN_IF_ERROR(ParseClpConfig(text).status());
  return WriteFileAtomically(absl::StrCat(out, "/", kClpFile),
                             std::as_bytes(std::span<const char>(text.data(), text.size())));
}

}  // namespace

absl::Status WriteClpFolder(const Checkpoint& checkpoint, const std::string& origin, const std::string& out) {
  RETURN_IF_ERROR(WriteParts(checkpoint, origin, out));
  RETURN_IF_ERROR(CopyFile(origin, out, kReferenceFile, true));
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
