// A validated reader of the safetensors format, for bytes nobody vouches for.
#ifndef TRIMTAB_MODEL_SAFETENSORS_H_
#define TRIMTAB_MODEL_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

enum class DType { kF32, kBF16, kF16, kOther };
absl::string_view DTypeName(DType dtype);

// One tensor of a file. Does not own `bytes`.
struct Tensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // Row-major, little endian; may be unaligned.
  int64_t elements() const;
};

// Widens `tensor` to float32 into `out` (tensor.elements()). InvalidArgument for NaN, infinity, or a dtype other than
// F32, BF16, F16; `name` goes into the message.
absl::Status ToFloat32(const Tensor& tensor, absl::string_view name, std::span<float> out);

// The elements rounded to BF16, to nearest, ties to even; NaN stays NaN. REQUIRES: `tensor` is a float.
std::string RoundToBf16(const Tensor& tensor);

// Tensors rounded so, and the bytes they refer to, which live as long as this.
class RoundedTensors {
 public:
  // REQUIRES: `tensor` is a float.
  Tensor Round(Tensor tensor);

 private:
  std::deque<std::string> bytes_;
};

// An immutable name -> tensor index over bytes held by this object. Thread-safe. Memory use before validation is
// O(header).
class Safetensors {
 public:
  static constexpr size_t kMaxHeaderBytes = 16 << 20;
  static constexpr size_t kMaxTensors = 65536;

  // Maps `path` read-only (see MappedFile); the file must not change while mapped. NotFound, or InvalidArgument with
  // what was found and what was expected.
  static absl::StatusOr<Safetensors> Open(const std::string& path);
  // The same over bytes in memory; takes ownership. `name` is used in messages.
  static absl::StatusOr<Safetensors> FromBytes(std::string bytes, absl::string_view name);

  const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }
  const Tensor* Find(absl::string_view name) const;  // Null when absent.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  int64_t data_bytes() const { return data_bytes_; }

 private:
  static absl::StatusOr<Safetensors> Parse(std::shared_ptr<const void> owner, std::span<const std::byte> bytes,
                                           absl::string_view name);
  std::shared_ptr<const void> owner_;
  std::map<std::string, Tensor, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
  int64_t data_bytes_ = 0;
};

// What goes before the bytes of `tensors`, which follow in this order without gaps. InvalidArgument for a dtype that is
// no float.
absl::StatusOr<std::string> SafetensorsHeader(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                              const std::map<std::string, std::string>& metadata);

// Writes `tensors` (sorted by name) to `path` through a temporary file and rename.
absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, Tensor, std::less<>>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_SAFETENSORS_H_
