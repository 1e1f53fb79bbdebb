#include "trainer/supervised/first_layers.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"
#include "model/strict_json.h"

namespace trimtab {
namespace {

absl::Status Keep(absl::string_view stack, int32_t keep, int32_t* layers) {
  if (keep < 0 || keep > *layers) {
    return absl::InvalidArgumentError(
        absl::StrCat(keep, " ", stack, " layers are to be kept; expected at most the ", *layers, " of the model"));
  }
  if (keep > 0) *layers = keep;
  return absl::OkStatus();
}

}  // namespace

absl::Status KeepFirstLayers(const FirstLayers& keep, T5Config& config, NamedTensors& weights) {
  T5Config shorter = config;
  RETURN_IF_ERROR(Keep("encoder", keep.encoder, &shorter.encoder_layers));
  RETURN_IF_ERROR(Keep("decoder", keep.decoder, &shorter.decoder_layers));
  std::set<std::string> kept;
  for (const TensorSpec& spec : T5Tensors(shorter)) kept.insert(spec.name);
  for (const TensorSpec& spec : T5Tensors(config)) {
    if (kept.count(spec.name) == 0) weights.erase(spec.name);
  }
  config = shorter;
  return absl::OkStatus();
}

absl::StatusOr<std::string> WithLayersOf(const T5Config& shorter, absl::string_view config_json) {
  ASSIGN_OR_RETURN(const T5Config whole, ParseT5Config(config_json));
  if (whole.encoder_layers == shorter.encoder_layers && whole.decoder_layers == shorter.decoder_layers) {
    return std::string(config_json);
  }
  ASSIGN_OR_RETURN(nlohmann::json config, ParseStrictJson(config_json, "config.json"));
  config["num_layers"] = shorter.encoder_layers;
  config["num_decoder_layers"] = shorter.decoder_layers;
  return config.dump(2) + "\n";
}

}  // namespace trimtab
