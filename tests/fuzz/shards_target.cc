// model.safetensors.index.json, beside two shards and a file outside that it must not reach.
#include "model/checkpoint.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

// One tensor of one float.
std::string OneTensor(const std::string& name) {
  const float value = 1.0f;
  const Tensor tensor{DType::kF32, {1}, std::as_bytes(std::span(&value, 1))};
  std::string bytes = *SafetensorsHeader({{name, tensor}}, {});
  return bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

class Checkpoints {
 public:
  Checkpoints() {
    std::filesystem::create_directory(outside_.path() + "/checkpoint");
    outside_.Write("outside.safetensors", OneTensor("outside"));
    outside_.Write("checkpoint/a.safetensors", OneTensor("a"));
    outside_.Write("checkpoint/b.safetensors", OneTensor("b"));
  }
  absl::StatusOr<TensorSet> Open(absl::string_view index) const {
    outside_.Write("checkpoint/model.safetensors.index.json", index);
    return OpenHuggingFaceTensors(outside_.path() + "/checkpoint");
  }

 private:
  const FuzzFolder outside_;
};

FUZZ_TARGET(shards) {
  static const auto* const checkpoints = new Checkpoints;
  const absl::StatusOr<TensorSet> tensors = checkpoints->Open(input);
  CheckMessage(tensors.status());
  if (tensors.ok()) FUZZ_CHECK(tensors->Find("outside") == nullptr);
}

}  // namespace
}  // namespace trimtab
