#include "kernels/backend.h"

#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/cuda/cuda_backend.h"

namespace trimtab {

absl::string_view PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "float32";
    case Precision::kBfloat16:
      return "bfloat16";
    case Precision::kInt8:
      return "int8";
  }
  return "unknown";
}

absl::StatusOr<Precision> ParsePrecision(absl::string_view name) {
  for (Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (name == PrecisionName(precision)) return precision;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("precision is \"", name, "\"; expected \"float32\", \"bfloat16\" or \"int8\""));
}

void Backend::Upload(const void* host, int64_t bytes, std::byte* to) const { std::memcpy(to, host, bytes); }
void Backend::Download(const std::byte* from, int64_t bytes, void* host) const { std::memcpy(host, from, bytes); }

absl::StatusOr<std::unique_ptr<Backend>> NewBackend(absl::string_view name, int threads) {
  if (threads < 1) return absl::InvalidArgumentError(absl::StrCat("threads is ", threads, "; expected at least 1"));
  if (name == "reference") return NewReferenceBackend();
  if (name == "cpu") return NewCpuBackend(threads);
  if (name == "auto") {
    absl::StatusOr<std::unique_ptr<Backend>> cuda = NewCudaBackend(0);
    return cuda.ok() ? std::move(cuda) : NewCpuBackend(threads);
  }
  if (name == "cuda") return NewCudaBackend(0);
  int device = 0;
  if (absl::ConsumePrefix(&name, "cuda:") && absl::SimpleAtoi(name, &device)) return NewCudaBackend(device);
  return absl::InvalidArgumentError(
      absl::StrCat("device is \"", name, "\"; expected \"cpu\", \"cuda\", \"cuda:N\", \"auto\" or \"reference\""));
}

}  // namespace trimtab
