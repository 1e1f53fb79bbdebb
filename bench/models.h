// Models to measure on where the values do not matter: random weights in shapes people use.
#ifndef TRIMTAB_BENCH_MODELS_H_
#define TRIMTAB_BENCH_MODELS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/precision.h"

namespace trimtab::bench {

// "f32", "bf16" or "int8": how rows name a precision.
std::string ShortName(Precision precision);

// A folder of `shape` (model/random_checkpoint.h) with `rewards` rewards and the tensors of `variant` conditioned, or a
// plain T5 where `rewards` is 0. Made on first use in $XDG_CACHE_HOME/trimtab/bench, several gigabytes for large ones.
absl::StatusOr<std::string> RandomModel(const std::string& shape, const std::string& variant, int rewards);

// Where `models` is empty: those of FLAN-T5-base's shape, one for each variant.
absl::Status FillModels(const std::vector<std::string>& variants, int rewards, std::vector<std::string>* models);

}  // namespace trimtab::bench

#endif  // TRIMTAB_BENCH_MODELS_H_
