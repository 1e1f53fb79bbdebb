#include "model/inspect.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "model/checkpoint.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

std::string Line(absl::string_view label, absl::string_view text) { return absl::StrFormat("%-12s %s\n", label, text); }

std::string DescribeShape(const T5Config& config) {
  return absl::StrFormat("T5 %s, %d + %d layers, d_model %d, %d heads of %d, d_ff %d, vocabulary %d, %s embeddings",
                         config.gated ? "v1.1 (gated)" : "v1.0", config.encoder_layers, config.decoder_layers,
                         config.d_model, config.num_heads, config.d_kv, config.d_ff, config.vocab_size,
                         config.tied_embeddings ? "tied" : "untied");
}

std::string DescribeMixing(const ClpConfig& clp) {
  switch (clp.mixing.kind) {
    case MixingKind::kSoftmdp:
      return absl::StrCat("softmdp, alpha from ", clp.mixing.alpha_min, " to 1, default ", clp.default_alpha);
    case MixingKind::kLinear:
      return absl::StrCat("linear, alpha from ", clp.mixing.alpha_min, " to 1, default ", clp.default_alpha);
    case MixingKind::kFixed:
      break;
  }
  return absl::StrCat("fixed at alpha ", clp.mixing.alpha_min);
}

std::string DescribeClp(const ClpConfig& clp) {
  std::string text = Line("name", clp.name) + Line("variant", clp.variant);
  if (clp.rewards.empty()) return text + Line("rewards", "none: serves as a plain T5");
  for (const RewardInfo& reward : clp.rewards) {
    absl::StrAppend(&text, Line("reward", absl::StrCat(reward.name, "  range [", reward.range_low, ", ",
                                                       reward.range_high, "]  ", reward.description)));
  }
  absl::StrAppend(&text, Line("mixing", DescribeMixing(clp)));
  for (const auto& [name, preset] : clp.presets) {
    absl::StrAppend(&text, Line("preset", absl::StrCat(name, "  alpha ", preset.alpha, "  w ",
                                                       absl::StrJoin(preset.w, ", "), "  ", preset.description)));
  }
  if (clp.prompt_conditioning.has_value()) absl::StrAppend(&text, Line("prompt", "carries the weights too"));
  return text;
}

std::string DescribeFile(absl::string_view name, const std::map<std::string, Tensor, std::less<>>& tensors) {
  int64_t elements = 0, bytes = 0;
  std::map<std::string, int> dtypes;
  for (const auto& [tensor_name, tensor] : tensors) {
    elements += tensor.elements();
    bytes += static_cast<int64_t>(tensor.bytes.size());
    ++dtypes[std::string(DTypeName(tensor.dtype))];
  }
  std::vector<std::string> types;
  types.reserve(dtypes.size());
  for (const auto& [dtype, count] : dtypes) types.push_back(absl::StrCat(count, " ", dtype));
  return Line("file", absl::StrFormat("%-32s %4d tensors (%s), %.2f M parameters, %.1f MB", name, tensors.size(),
                                      absl::StrJoin(types, ", "), static_cast<double>(elements) / 1e6,
                                      static_cast<double>(bytes) / 1e6));
}

std::vector<std::string> FileNames(const CheckpointTexts& texts) {
  const ClpConfig& clp = texts.clp;
  std::vector<std::string> names = {kSharedFile};
  const std::vector<ModelTensor> plan = PlanTensors(texts.config, clp);
  if (std::none_of(plan.begin(), plan.end(), [](const ModelTensor& tensor) { return tensor.conditioned; }))
    return names;
  if (clp.has_reference()) names.push_back(kReferenceFile);
  for (const RewardInfo& reward : clp.rewards) names.push_back(ConditionedFile(reward.name));
  return names;
}

}  // namespace

absl::StatusOr<std::string> InspectCheckpoint(const std::string& directory) {
  ASSIGN_OR_RETURN(const CheckpointTexts texts, ReadCheckpointTexts(directory));
  std::string report = Line("folder", directory) + Line("model", DescribeShape(texts.config)) + DescribeClp(texts.clp);
  absl::StrAppend(&report, Line("version", absl::StrCat(texts.clp.sequence)));
  if (!texts.clp.digest.empty()) absl::StrAppend(&report, Line("digest", texts.clp.digest));
  if (!texts.is_clp) {
    ASSIGN_OR_RETURN(const TensorSet tensors, OpenHuggingFaceTensors(directory));
    return report + DescribeFile("(Hugging Face folder)", tensors.tensors());
  }
  for (const std::string& name : FileNames(texts)) {
    ASSIGN_OR_RETURN(const Safetensors file, Safetensors::Open(absl::StrCat(directory, "/", name)));
    absl::StrAppend(&report, DescribeFile(name, file.tensors()));
  }
  return report;
}

}  // namespace trimtab
