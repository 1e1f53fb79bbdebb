#include "model/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/digest.h"
#include "model/mapped_file.h"
#include "model/one_line.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

using nlohmann::json;

constexpr size_t kMaxTextBytes = 16 << 20;
constexpr char kLmHead[] = "lm_head.weight";
constexpr char kEmbedding[] = "shared.weight";

std::string Path(const std::string& directory, absl::string_view name) { return absl::StrCat(directory, "/", name); }

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

bool SameBytes(const Tensor& a, const Tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes);
}

absl::Status CheckTensor(const TensorSpec& spec, const Tensor& tensor, absl::string_view where) {
  if (tensor.dtype == DType::kOther) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": ", spec.name, " is not a float tensor; expected F32, BF16 or F16"));
  }
  if (tensor.shape == spec.shape) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", spec.name, " has shape [",
                                                 absl::StrJoin(tensor.shape, ", "), "]; config.json makes it [",
                                                 absl::StrJoin(spec.shape, ", "), "]"));
}

absl::StatusOr<Tensor> Require(const TensorSet& set, const TensorSpec& spec, absl::string_view where) {
  const Tensor* tensor = set.Find(spec.name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", spec.name, " is missing"));
  }
  RETURN_IF_ERROR(CheckTensor(spec, *tensor, where));
  return *tensor;
}

// Refuses tensors the model would never read, except those every export may carry.
absl::Status OnlyKnown(const TensorSet& set, const std::set<std::string>& known, absl::string_view where) {
  for (const auto& [name, tensor] : set.tensors()) {
    if (known.count(name) != 0 || IsIgnoredTensor(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": tensor ", OneLine(name), " does not belong here; remove it or correct config.json or clp.json"));
  }
  return absl::OkStatus();
}

// A tied model's output layer is its embedding; a copy of it under its own name is fine as long as it is a copy.
absl::Status CheckTiedHead(const TensorSet& set, absl::string_view where) {
  const Tensor* head = set.Find(kLmHead);
  const Tensor* embedding = set.Find(kEmbedding);
  if (head == nullptr || embedding == nullptr || SameBytes(*head, *embedding)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      where, ": lm_head.weight differs from shared.weight, but config.json ties them; set tie_word_embeddings false"));
}

absl::Status FillFromHuggingFace(Checkpoint* checkpoint) {
  ASSIGN_OR_RETURN(TensorSet set, OpenHuggingFaceTensors(checkpoint->directory));
  std::set<std::string> known;
  if (checkpoint->config.tied_embeddings) {
    RETURN_IF_ERROR(CheckTiedHead(set, checkpoint->directory));
    known.insert(kLmHead);
  }
  for (ModelTensor& tensor : checkpoint->tensors) {
    ASSIGN_OR_RETURN(Tensor found, Require(set, tensor.spec, checkpoint->directory));
    tensor.sets.push_back(std::move(found));
    known.insert(tensor.spec.name);
  }
  RETURN_IF_ERROR(OnlyKnown(set, known, checkpoint->directory));
  checkpoint->owners.push_back(std::make_shared<const TensorSet>(std::move(set)));
  return absl::OkStatus();
}

absl::StatusOr<TensorSet> OpenOne(const std::string& path) {
  ASSIGN_OR_RETURN(Safetensors file, Safetensors::Open(path));
  std::vector<Safetensors> files;
  files.push_back(std::move(file));
  return TensorSet::Create(std::move(files));
}

// Adds one set of every tensor with `conditioned` to the checkpoint, from one file. Only the reference may hold more
// than that: all of theta_ref.
absl::Status FillFromFile(absl::string_view name, bool conditioned, bool may_hold_all, Checkpoint* checkpoint) {
  const std::string path = Path(checkpoint->directory, name);
  ASSIGN_OR_RETURN(TensorSet set, OpenOne(path));
  std::set<std::string> known;
  for (ModelTensor& tensor : checkpoint->tensors) {
    if (tensor.conditioned == conditioned) {
      ASSIGN_OR_RETURN(Tensor found, Require(set, tensor.spec, path));
      tensor.sets.push_back(std::move(found));
      known.insert(tensor.spec.name);
    } else if (may_hold_all) {
      known.insert(tensor.spec.name);
    }
  }
  RETURN_IF_ERROR(OnlyKnown(set, known, path));
  checkpoint->owners.push_back(std::make_shared<const TensorSet>(std::move(set)));
  return absl::OkStatus();
}

// O_NOFOLLOW guards the last part of a path only.
absl::Status CheckConditionedFolder(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_symlink(std::filesystem::symlink_status(Path(directory, "conditioned"), error))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Path(directory, "conditioned"), " is a symbolic link; expected a folder of the checkpoint's own"));
}

absl::Status FillFromClp(Checkpoint* checkpoint) {
  const ClpConfig& clp = checkpoint->clp;
  const bool any = std::any_of(checkpoint->tensors.begin(), checkpoint->tensors.end(),
                               [](const ModelTensor& tensor) { return tensor.conditioned; });
  if (!any && !clp.patterns.empty() && !clp.rewards.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("clp.json: patterns ", absl::StrJoin(clp.patterns, " "), " match no tensor of the model"));
  }
  RETURN_IF_ERROR(FillFromFile(kSharedFile, /*conditioned=*/false, /*may_hold_all=*/false, checkpoint));
  if (!any) return absl::OkStatus();
  RETURN_IF_ERROR(CheckConditionedFolder(checkpoint->directory));
  for (const RewardInfo& reward : clp.rewards) {
    RETURN_IF_ERROR(FillFromFile(ConditionedFile(reward.name), true, false, checkpoint));
  }
  if (!clp.has_reference()) return absl::OkStatus();
  return FillFromFile(kReferenceFile, true, /*may_hold_all=*/true, checkpoint);
}

absl::StatusOr<std::vector<std::string>> ShardNames(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadSmallFile(Path(directory, "model.safetensors.index.json"), kMaxTextBytes));
  ASSIGN_OR_RETURN(const json index, ParseStrictJson(text, "model.safetensors.index.json"));
  const absl::Status wrong =
      absl::InvalidArgumentError("model.safetensors.index.json: weight_map is not an object of file names");
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) return wrong;
  std::set<std::string> names;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string()) return wrong;
    const std::string name = file.get<std::string>();
    const bool plain =
        std::none_of(name.begin(), name.end(), [](char c) { return c == '/' || absl::ascii_iscntrl(c); });
    if (name.empty() || name[0] == '.' || !plain) {
      return absl::InvalidArgumentError(absl::StrCat("model.safetensors.index.json: ", OneLine(tensor), " lies in \"",
                                                     OneLine(name), "\"; expected the name of a file beside it"));
    }
    names.insert(name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<std::string> ReadPart(const std::string& directory, absl::string_view name) {
  absl::StatusOr<std::string> text = ReadSmallFile(Path(directory, name), kMaxTextBytes);
  if (text.ok() || !absl::IsNotFound(text.status())) return text;
  return absl::NotFoundError(
      absl::StrCat(directory, ": ", name, " is missing; expected a CLP or Hugging Face T5 folder"));
}

// Hugging Face keeps the prefix of a summarisation model in config.json.
std::string TaskPrefix(absl::string_view config_text) {
  const absl::StatusOr<json> config = ParseStrictJson(config_text, kConfigFile);
  const json::json_pointer pointer("/task_specific_params/summarization/prefix");
  if (!config.ok() || !config->contains(pointer) || !(*config)[pointer].is_string()) return "";
  return (*config)[pointer].get<std::string>();
}

}  // namespace

std::string ConditionedFile(absl::string_view reward_name) {
  return absl::StrCat("conditioned/", reward_name, ".safetensors");
}

absl::StatusOr<TensorSet> TensorSet::Create(std::vector<Safetensors> files) {
  TensorSet set;
  std::set<std::string> stored;
  for (const Safetensors& file : files) {
    for (const auto& [name, tensor] : file.tensors()) {
      if (!stored.insert(name).second) {
        return absl::InvalidArgumentError(absl::StrCat("tensor ", OneLine(name), " is in two files; expected it once"));
      }
      const auto [place, added] = set.tensors_.emplace(std::string(CanonicalTensorName(name)), tensor);
      if (!added && !SameBytes(place->second, tensor)) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor ", OneLine(name), " differs from ", OneLine(place->first), "; T5 has one embedding"));
      }
    }
  }
  set.files_ = std::move(files);
  return set;
}

const Tensor* TensorSet::Find(absl::string_view canonical_name) const {
  const auto found = tensors_.find(std::string(canonical_name));
  return found == tensors_.end() ? nullptr : &found->second;
}

absl::StatusOr<TensorSet> OpenHuggingFaceTensors(const std::string& directory) {
  std::vector<std::string> names = {"model.safetensors"};
  if (!Exists(Path(directory, names[0]))) {
    if (!Exists(Path(directory, "model.safetensors.index.json"))) {
      return absl::NotFoundError(
          absl::StrCat(directory,
                       ": model.safetensors is missing; pickled weights (.bin, .pt) are not read: load them in Python "
                       "and save_pretrained(..., safe_serialization=True)"));
    }
    ASSIGN_OR_RETURN(names, ShardNames(directory));
  }
  std::vector<Safetensors> files;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(Safetensors file, Safetensors::Open(Path(directory, name)));
    files.push_back(std::move(file));
  }
  return TensorSet::Create(std::move(files));
}

absl::StatusOr<CheckpointTexts> ReadCheckpointTexts(const std::string& directory) {
  CheckpointTexts texts;
  ASSIGN_OR_RETURN(const std::string config, ReadPart(directory, kConfigFile));
  ASSIGN_OR_RETURN(texts.config, ParseT5Config(config));
  texts.is_clp = Exists(Path(directory, kClpFile));
  if (texts.is_clp) {
    ASSIGN_OR_RETURN(const std::string clp, ReadPart(directory, kClpFile));
    ASSIGN_OR_RETURN(texts.clp, ParseClpConfig(clp));
    if (texts.clp.logit_scale.has_value()) texts.config.logit_scale = static_cast<float>(*texts.clp.logit_scale);
  } else {
    texts.clp.name = std::filesystem::path(directory).lexically_normal().filename().string();
    texts.clp.task_prefix = TaskPrefix(config);
  }
  if (Exists(Path(directory, kGenerationFile))) {
    ASSIGN_OR_RETURN(const std::string generation, ReadPart(directory, kGenerationFile));
    ASSIGN_OR_RETURN(texts.generation, ParseGenerationDefaults(generation));
  }
  if (!Exists(Path(directory, kTokenizerFile))) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory,
        ": spiece.model is missing; tokenizer.json is not read: copy the SentencePiece model of the T5 here"));
  }
  ASSIGN_OR_RETURN(texts.tokenizer_model, ReadPart(directory, kTokenizerFile));
  return texts;
}

std::vector<ModelTensor> PlanTensors(const T5Config& config, const ClpConfig& clp) {
  const bool own_head = config.tied_embeddings && !clp.rewards.empty() && MatchesAny(clp.patterns, kLmHead) &&
                        !MatchesAny(clp.patterns, kEmbedding);
  std::vector<TensorSpec> specs = T5Tensors(config);
  if (own_head) specs.push_back({kLmHead, {config.vocab_size, config.d_model}, TensorRole::kMatrix});
  std::vector<ModelTensor> tensors;
  for (TensorSpec& spec : specs) {
    const bool conditioned = !clp.rewards.empty() && MatchesAny(clp.patterns, spec.name);
    tensors.push_back({std::move(spec), conditioned, {}});
  }
  return tensors;
}

absl::StatusOr<Checkpoint> OpenCheckpoint(const std::string& directory) {
  ASSIGN_OR_RETURN(CheckpointTexts texts, ReadCheckpointTexts(directory));
  Checkpoint checkpoint;
  checkpoint.directory = directory;
  checkpoint.config = texts.config;
  checkpoint.clp = std::move(texts.clp);
  checkpoint.generation = texts.generation;
  checkpoint.tokenizer_model = std::move(texts.tokenizer_model);
  checkpoint.tensors = PlanTensors(checkpoint.config, checkpoint.clp);
  RETURN_IF_ERROR(texts.is_clp ? FillFromClp(&checkpoint) : FillFromHuggingFace(&checkpoint));
  checkpoint.digest = ParametersDigest(checkpoint.tensors);
  if (!checkpoint.clp.digest.empty() && checkpoint.clp.digest != checkpoint.digest) {
    return absl::InvalidArgumentError(absl::StrCat("clp.json: digest is ", checkpoint.clp.digest, "; the tensors give ",
                                                   checkpoint.digest, ": the files were changed or damaged"));
  }
  return checkpoint;
}

std::string ParametersDigest(const std::vector<ModelTensor>& tensors) {
  Sha256 digest;
  for (const ModelTensor& tensor : tensors) {
    for (const Tensor& set : tensor.sets) {
      digest.Update(
          absl::StrCat(tensor.spec.name, "\n", DTypeName(set.dtype), "\n", absl::StrJoin(set.shape, ","), "\n"));
      digest.Update(absl::string_view(reinterpret_cast<const char*>(set.bytes.data()), set.bytes.size()));
    }
  }
  return digest.HexDigest();
}

}  // namespace trimtab
