#include <cstring>
#include <utility>
#include <vector>

#include "model/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr int64_t kMaxWidened = 1 << 16;

size_t ElementBytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

bool IsFloat(const Tensor& tensor) { return tensor.dtype != DType::kOther; }

void CheckTensor(const std::string& name, const Tensor& tensor) {
  int64_t elements = 1;
  for (const int64_t extent : tensor.shape) {
    FUZZ_CHECK(extent >= 0);
    elements *= extent;
  }
  FUZZ_CHECK(elements == tensor.elements());
  if (!IsFloat(tensor)) return;
  FUZZ_CHECK(tensor.bytes.size() == static_cast<size_t>(elements) * ElementBytes(tensor.dtype));
  if (elements > kMaxWidened) return;
  std::vector<float> floats(elements);
  CheckMessage(ToFloat32(tensor, name, floats));
  FUZZ_CHECK(RoundToBf16(tensor).size() == 2 * static_cast<size_t>(elements));
}

// What we write of a file reads as that file.
void CheckWritten(const Safetensors& file) {
  std::vector<std::pair<std::string, Tensor>> tensors(file.tensors().begin(), file.tensors().end());
  absl::StatusOr<std::string> bytes = SafetensorsHeader(tensors, file.metadata());
  FUZZ_CHECK(bytes.ok());
  for (const auto& [name, tensor] : tensors) {
    bytes->append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  const absl::StatusOr<Safetensors> again = Safetensors::FromBytes(*std::move(bytes), "again");
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->metadata() == file.metadata());
  FUZZ_CHECK(again->tensors().size() == file.tensors().size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor* const found = again->Find(name);
    FUZZ_CHECK(found != nullptr && found->dtype == tensor.dtype && found->shape == tensor.shape);
    FUZZ_CHECK(found->bytes.size() == tensor.bytes.size());
    FUZZ_CHECK(tensor.bytes.empty() || std::memcmp(found->bytes.data(), tensor.bytes.data(), tensor.bytes.size()) == 0);
  }
}

FUZZ_TARGET(safetensors) {
  const absl::StatusOr<Safetensors> file = Safetensors::FromBytes(std::string(input), "fuzzed");
  CheckMessage(file.status());
  if (!file.ok()) return;
  bool all_floats = true;
  for (const auto& [name, tensor] : file->tensors()) {
    CheckTensor(name, tensor);
    all_floats &= IsFloat(tensor);
  }
  if (all_floats) CheckWritten(*file);
}

}  // namespace
}  // namespace trimtab
