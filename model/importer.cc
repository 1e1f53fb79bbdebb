#include "model/importer.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "model/checkpoint_files.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;

std::string ModelName(const ImportOptions& options, const std::string& out) {
  return options.name.empty() ? fs::path(out).lexically_normal().filename().string() : options.name;
}

// The part of a plain folder's tensors that is or is not conditioned. A tied model's output layer of its own comes from
// the embedding.
TensorMap Pick(const Checkpoint& folder, const std::vector<ModelTensor>& plan, bool conditioned) {
  TensorMap picked;
  for (const ModelTensor& tensor : plan) {
    if (tensor.conditioned != conditioned) continue;
    const auto source = std::find_if(folder.tensors.begin(), folder.tensors.end(), [&](const ModelTensor& candidate) {
      return candidate.spec.name == tensor.spec.name;
    });
    const ModelTensor& found = source == folder.tensors.end() ? folder.tensors.front() : *source;
    picked.emplace(tensor.spec.name, found.sets[0]);
  }
  return picked;
}

absl::StatusOr<Checkpoint> OpenPlain(const std::string& folder) {
  ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(folder));
  if (checkpoint.clp.rewards.empty()) return checkpoint;
  return absl::InvalidArgumentError(absl::StrCat(folder, " is a CLP checkpoint already; expected a plain T5 folder"));
}

absl::Status SameModel(const Checkpoint& a, const Checkpoint& b) {
  for (size_t i = 0; i < std::min(a.tensors.size(), b.tensors.size()); ++i) {
    const TensorSpec &left = a.tensors[i].spec, &right = b.tensors[i].spec;
    if (left.name == right.name && left.shape == right.shape) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(b.directory, ": ", right.name, " does not fit ", left.name, " of ", a.directory));
  }
  const T5Config &left = a.config, &right = b.config;
  if (a.tensors.size() != b.tensors.size() || left.activation != right.activation ||
      left.logit_scale != right.logit_scale || left.norm_epsilon != right.norm_epsilon ||
      left.relative_max_distance != right.relative_max_distance || left.eos_id != right.eos_id ||
      left.pad_id != right.pad_id || left.decoder_start_id != right.decoder_start_id) {
    return absl::InvalidArgumentError(absl::StrCat(b.directory, " is not the same kind of T5 as ", a.directory));
  }
  if (a.tokenizer_model == b.tokenizer_model) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(b.directory, ": spiece.model differs from that of ", a.directory));
}

absl::Status SameOutside(const Checkpoint& a, const Checkpoint& b, const std::vector<ModelTensor>& plan) {
  const TensorMap left = Pick(a, plan, false), right = Pick(b, plan, false);
  for (const auto& [name, tensor] : left) {
    const Tensor& other = right.at(name);
    if (tensor.dtype == other.dtype && std::ranges::equal(tensor.bytes, other.bytes)) continue;
    return absl::InvalidArgumentError(absl::StrCat(name, " differs between ", a.directory, " and ", b.directory,
                                                   ", but this variant shares it; import as full"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ClpConfig> SoupConfig(const Soup& soup, const std::string& out, const ImportOptions& options) {
  ClpConfig clp;
  clp.name = ModelName(options, out);
  clp.variant = soup.variant;
  ASSIGN_OR_RETURN(clp.patterns, VariantPatterns(soup.variant));
  clp.mixing = {MixingKind::kSoftmdp, options.alpha_min};
  clp.default_alpha = options.default_alpha;
  clp.task_prefix = options.task_prefix;
  for (const auto& [name, folder] : soup.rewards) {
    RewardInfo reward;
    reward.name = name;
    clp.rewards.push_back(std::move(reward));
  }
  for (const auto& [name, w] : options.presets) clp.presets[name] = {options.default_alpha, w, ""};
  RETURN_IF_ERROR(ParseClpConfig(ClpConfigToJson(clp)).status());
  return clp;
}

}  // namespace

absl::Status ImportHuggingFace(const std::string& folder, const std::string& out, const ImportOptions& options) {
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenPlain(folder));
  RETURN_IF_ERROR(MakeEmptyFolder(out));
  ClpConfig clp;
  clp.name = ModelName(options, out);
  clp.task_prefix = options.task_prefix;
  clp.digest = checkpoint.digest;
  RETURN_IF_ERROR(WriteTensors(Pick(checkpoint, checkpoint.tensors, false), out, kSharedFile));
  RETURN_IF_ERROR(CopyTexts(folder, out));
  return WriteClpConfig(clp, out);
}

absl::Status ImportSoup(const Soup& soup, const std::string& out, const ImportOptions& options) {
  if (soup.rewards.empty() || soup.variant == "none") {
    return absl::InvalidArgumentError("a soup needs at least one reward folder and variant full, attn or logit");
  }
  if (!(options.alpha_min > 0.0 && options.alpha_min < 1.0) || !(options.default_alpha >= options.alpha_min)) {
    return absl::InvalidArgumentError(absl::StrCat("alpha_min is ", options.alpha_min, " and default_alpha ",
                                                   options.default_alpha,
                                                   "; expected 0 < alpha_min < 1 and alpha_min <= default_alpha <= 1"));
  }
  ASSIGN_OR_RETURN(ClpConfig clp, SoupConfig(soup, out, options));
  ASSIGN_OR_RETURN(const Checkpoint reference, OpenPlain(soup.reference));
  // An output layer of its own must not lose the scale it had as the embedding.
  if (soup.variant == "logit") clp.logit_scale = reference.config.logit_scale;
  const std::vector<ModelTensor> plan = PlanTensors(reference.config, clp);
  std::vector<Checkpoint> folders;
  for (const auto& [name, folder] : soup.rewards) {
    ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenPlain(folder));
    RETURN_IF_ERROR(SameModel(reference, checkpoint));
    RETURN_IF_ERROR(SameOutside(reference, checkpoint, plan));
    folders.push_back(std::move(checkpoint));
  }
  RETURN_IF_ERROR(MakeEmptyFolder(out));
  RETURN_IF_ERROR(WriteTensors(Pick(reference, plan, false), out, kSharedFile));
  RETURN_IF_ERROR(WriteTensors(Pick(reference, plan, true), out, kReferenceFile));
  for (size_t i = 0; i < folders.size(); ++i) {
    RETURN_IF_ERROR(WriteTensors(Pick(folders[i], plan, true), out, ConditionedFile(soup.rewards[i].first)));
  }
  RETURN_IF_ERROR(CopyTexts(soup.reference, out));
  RETURN_IF_ERROR(WriteClpConfig(clp, out));
  ASSIGN_OR_RETURN(const Checkpoint made, OpenCheckpoint(out));
  clp.digest = made.digest;
  return WriteClpConfig(clp, out);
}

}  // namespace trimtab
