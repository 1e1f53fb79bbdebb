#include "trainer/supervised/plain_folder.h"

#include <cmath>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "model/mapped_file.h"
#include "model/random_checkpoint.h"
#include "model/status_macros.h"
#include "model/tokenizer.h"
#include "trainer/supervised/copy_start.h"

namespace trimtab {
namespace {

constexpr size_t kMaxTextBytes = size_t{16} << 20;
constexpr int32_t kVocabularyStep = 8;  // Rows of the embedding are a multiple of it.

// A run that would be refused for its settings must not change the shape of what is there.
absl::Status CheckBegun(const T5Config& config, const std::string& out) {
  std::error_code error;
  const absl::StatusOr<std::string> text = ReadSmallFile(absl::StrCat(out, "/", kConfigFile), kMaxTextBytes);
  if (!text.ok() || !std::filesystem::exists(StateFile(out), error)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const T5Config begun, ParseT5Config(*text));
  if (begun.encoder_layers == config.encoder_layers && begun.decoder_layers == config.decoder_layers) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(StateFile(out), " was begun with ", begun.encoder_layers, " + ",
                                                    begun.decoder_layers, " layers, now it is ", config.encoder_layers,
                                                    " + ", config.decoder_layers, ": ask for the same, or remove it"));
}

// `config` is what config.json is to say of layers.
absl::Status CopyTexts(const std::string& from, const T5Config& config, const std::string& out) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(out, " cannot be made: ", error.message()));
  for (const char* name : {kConfigFile, kGenerationFile, kTokenizerFile}) {
    absl::StatusOr<std::string> text = ReadSmallFile(absl::StrCat(from, "/", name), kMaxTextBytes);
    if (absl::IsNotFound(text.status()) && name == absl::string_view(kGenerationFile)) continue;
    if (text.ok() && name == absl::string_view(kConfigFile)) text = WithLayersOf(config, *text);
    RETURN_IF_ERROR(text.status());
    RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(out, "/", name),
                                        std::as_bytes(std::span<const char>(text->data(), text->size()))));
  }
  return absl::OkStatus();
}

absl::StatusOr<T5Config> ConfigOf(const NewShape& shape, const std::string& tokenizer) {
  ASSIGN_OR_RETURN(const std::string model, ReadSmallFile(tokenizer, kMaxTextBytes));
  ASSIGN_OR_RETURN(const auto pieces, Tokenizer::Create(model, INT32_MAX));
  if (shape.d_model % shape.heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("d_model is ", shape.d_model, "; expected a multiple of its ", shape.heads, " heads"));
  }
  T5Config config;
  config.vocab_size = (pieces->num_pieces() + kVocabularyStep - 1) / kVocabularyStep * kVocabularyStep;
  config.d_model = shape.d_model;
  config.num_heads = shape.heads;
  config.d_kv = shape.d_model / shape.heads;
  config.d_ff = shape.d_ff;
  config.encoder_layers = config.decoder_layers = shape.layers;
  config.gated = true;
  config.activation = Activation::kGeluNew;
  config.tied_embeddings = true;
  config.logit_scale = static_cast<float>(1.0 / std::sqrt(shape.d_model));
  return config;
}

}  // namespace

absl::StatusOr<Start> StartFrom(const std::string& model, const std::string& out, const FirstLayers& keep) {
  Start start;
  ASSIGN_OR_RETURN(start.checkpoint, OpenCheckpoint(model));
  if (!start.checkpoint.clp.rewards.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(model, " is steerable; expected a plain T5 folder"));
  }
  ASSIGN_OR_RETURN(start.weights, PlainWeights(start.checkpoint));
  RETURN_IF_ERROR(KeepFirstLayers(keep, start.checkpoint.config, start.weights));
  RETURN_IF_ERROR(CheckBegun(start.checkpoint.config, out));
  RETURN_IF_ERROR(CopyTexts(model, start.checkpoint.config, out));
  return start;
}

absl::StatusOr<Start> StartFromNothing(const NewShape& shape, const std::string& tokenizer, uint64_t seed,
                                       const std::string& out) {
  std::error_code error;
  if (!std::filesystem::exists(absl::StrCat(out, "/", kConfigFile), error)) {
    ASSIGN_OR_RETURN(const T5Config config, ConfigOf(shape, tokenizer));
    RETURN_IF_ERROR(WriteRandomCheckpoint(config, seed, tokenizer, out));
  }
  Start start;
  ASSIGN_OR_RETURN(start.checkpoint, OpenCheckpoint(out));
  ASSIGN_OR_RETURN(start.weights, PlainWeights(start.checkpoint));
  RETURN_IF_ERROR(StartByCopying(start.checkpoint.config, seed, start.weights));
  return start;
}

std::string StateFile(const std::string& out) { return absl::StrCat(out, "/training_state.safetensors"); }

absl::Status WriteWeights(const NamedTensors& weights, const std::string& out) {
  std::map<std::string, Tensor, std::less<>> tensors;
  std::vector<torch::Tensor> kept;  // As views do not own.
  for (const auto& [name, weight] : weights) {
    kept.push_back(weight.detach().contiguous());
    tensors[name] = ViewOf(kept.back());
  }
  return WriteSafetensors(absl::StrCat(out, "/model.safetensors"), tensors, {{"format", "pt"}});
}

}  // namespace trimtab
