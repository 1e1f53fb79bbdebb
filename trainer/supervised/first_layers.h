#ifndef TRIMTAB_TRAINER_SUPERVISED_FIRST_LAYERS_H_
#define TRIMTAB_TRAINER_SUPERVISED_FIRST_LAYERS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/t5_config.h"
#include "trainer/tensors.h"

namespace trimtab {

// How many layers to keep of a T5, from the first on. 0: all.
struct FirstLayers {
  int32_t encoder = 0;
  int32_t decoder = 0;
};

// Drops the layers after those, from `config` and from its `weights`; no value changes. InvalidArgument when fewer are
// there than are to be kept.
absl::Status KeepFirstLayers(const FirstLayers& keep, T5Config& config, NamedTensors& weights);

// The same for the text of config.json: its numbers of layers become those of `shorter`, and nothing else changes.
absl::StatusOr<std::string> WithLayersOf(const T5Config& shorter, absl::string_view config_json);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_SUPERVISED_FIRST_LAYERS_H_
