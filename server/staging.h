// Parameters on their way in: what has arrived of a new version, and whether it may stay.
#ifndef TRIMTAB_SERVER_STAGING_H_
#define TRIMTAB_SERVER_STAGING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint.h"
#include "model/parameters.h"
#include "model/published.h"

namespace trimtab {

enum class TensorEncoding {
  kRaw,    // The elements.
  kDelta,  // What changed since the parent (model/delta.h).
};

// One tensor that a publisher sends.
struct TensorManifest {
  std::string name;
  std::string reward;  // Whose set; empty for a shared tensor.
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  TensorEncoding encoding = TensorEncoding::kRaw;
  uint64_t encoded_bytes = 0;
  std::string checksum;  // ContentChecksum of the decoded bytes.
  friend bool operator==(const TensorManifest&, const TensorManifest&) = default;
};

struct Manifest {
  ParameterVersion version;
  std::string expected_parent;  // Digest.
  std::vector<TensorManifest> tensors;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// A version being received. A pure state machine: no clock, no lock, no disk. Nothing of it is seen from outside until
// Finish has given a checkpoint whose every byte was checked. Not thread-safe.
class Staging {
 public:
  // Checks the manifest against the model. Unsent tensors will be taken from `parent`, all others replace those of
  // `base`, the model's own checkpoint. InvalidArgument naming the field for a tensor the model does not publish, named
  // twice, of another shape or type, or of impossible size. ResourceExhausted when `byte_budget` is too small.
  static absl::StatusOr<std::unique_ptr<Staging>> Begin(Manifest manifest, std::shared_ptr<const Checkpoint> base,
                                                        std::shared_ptr<const Checkpoint> parent, int64_t byte_budget);

  // Takes a piece of tensor number `tensor`. What has arrived already is ignored when it is equal. DataLoss when the
  // bytes or their place do not match the checksum; OutOfRange when the piece leaves a hole, overlaps with other bytes
  // or lies outside. An error changes nothing.
  absl::Status Add(uint64_t tensor, uint64_t offset, absl::string_view bytes, uint64_t checksum);

  // FailedPrecondition naming what is missing, unless all has arrived.
  absl::Status CheckComplete() const;

  // Decodes, checks every tensor and the digest of the whole. DataLoss when something differs. Call once.
  // REQUIRES: CheckComplete() is OK.
  absl::StatusOr<Checkpoint> Finish();

  const Manifest& manifest() const { return manifest_; }
  // Encoded bytes that have arrived, per tensor of the manifest.
  const std::vector<uint64_t>& received() const { return received_; }
  int64_t bytes() const { return bytes_; }  // Of memory, when all has arrived.

 private:
  Staging(Manifest manifest, std::shared_ptr<const Checkpoint> base, std::shared_ptr<const Checkpoint> parent);

  absl::Status Place();  // Lays out memory: decoded tensors in model order, then encoded deltas.
  absl::Status CheckPiece(uint64_t tensor, uint64_t offset, absl::string_view bytes) const;
  absl::Status Decode(size_t place);

  const Manifest manifest_;
  const std::shared_ptr<const Checkpoint> base_, parent_;
  std::vector<PublishedTensor> places_;      // Of the model.
  std::vector<std::optional<size_t>> sent_;  // Per place: its number in the manifest; none: as in the parent.
  std::vector<Tensor> decoded_;              // Per place; bytes point into memory_.
  std::vector<std::byte*> targets_;          // Per tensor of the manifest: where its encoded bytes go.
  std::vector<uint64_t> received_;
  std::shared_ptr<std::byte[]> memory_;  // Taken page by page, as bytes arrive.
  int64_t bytes_ = 0;
};

// A byte budget for any version of the model: in float32, and deltas as large as that.
int64_t DefaultStagingBytes(const Checkpoint& checkpoint);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_STAGING_H_
