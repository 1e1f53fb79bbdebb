#include "kernels/backend.h"

#include "absl/strings/str_cat.h"

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

absl::StatusOr<std::unique_ptr<Backend>> NewBackend(absl::string_view name, int threads) {
  if (threads < 1) return absl::InvalidArgumentError(absl::StrCat("threads is ", threads, "; expected at least 1"));
  if (name == "reference") return NewReferenceBackend();
  if (name == "cpu") return NewCpuBackend(threads);
  return absl::InvalidArgumentError(absl::StrCat("device is \"", name, "\"; expected \"cpu\" or \"reference\""));
}

}  // namespace trimtab
