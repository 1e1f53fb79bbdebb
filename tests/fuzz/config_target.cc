// config.json, generation_config.json and clp.json, and the tensors they plan together.
#include <algorithm>

#include "model/checkpoint.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr char kSeparator[] = "\n--\n";

void CheckClp(const ClpConfig& clp) {
  const std::string text = ClpConfigToJson(clp);
  const absl::StatusOr<ClpConfig> again = ParseClpConfig(text);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(ClpConfigToJson(*again) == text);
  const int rewards = static_cast<int>(clp.rewards.size());
  FUZZ_CHECK(clp.num_sets() == std::max(1, rewards + clp.has_reference()));
  for (int i = 0; i < rewards; ++i) FUZZ_CHECK(clp.RewardIndex(clp.rewards[i].name) == i);
}

// Input: config.json, clp.json, generation_config.json, with "--" on a line of its own between them.
FUZZ_TARGET(config) {
  const absl::StatusOr<T5Config> config = ParseT5Config(TakeUntil(kSeparator, &input));
  CheckMessage(config.status());
  const absl::StatusOr<ClpConfig> clp = ParseClpConfig(TakeUntil(kSeparator, &input));
  CheckMessage(clp.status());
  CheckMessage(ParseGenerationDefaults(input).status());
  if (clp.ok()) CheckClp(*clp);
  if (!config.ok()) return;
  for (const ModelTensor& tensor : PlanTensors(*config, clp.ok() ? *clp : ClpConfig())) {
    for (const int64_t extent : tensor.spec.shape) FUZZ_CHECK(extent > 0);
    FUZZ_CHECK(CanonicalTensorName(tensor.spec.name) == tensor.spec.name);
  }
}

}  // namespace
}  // namespace trimtab
