#ifndef TRIMTAB_CLIENT_PUBLICATION_H_
#define TRIMTAB_CLIENT_PUBLICATION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint.h"
#include "trimtab/v1/parameters.pb.h"

namespace trimtab {

// A version of the parameters as it goes over the wire: its manifest, and the bytes of each tensor of the manifest.
struct Publication {
  std::vector<v1::TensorManifest> manifest;
  std::vector<absl::string_view> bytes;  // Of `next`, or of `deltas`.
  std::vector<std::string> deltas;

  int64_t total_bytes() const;
};

// Every published tensor of `next`, raw. Does not own: `next` must outlive the result. InvalidArgument where one is
// neither F32 nor BF16.
absl::StatusOr<std::unique_ptr<const Publication>> PublishWhole(const Checkpoint& next);

// What changed since `parent`, tensor by tensor; tensors that are equal are not named, those of another type go raw.
// Owns its deltas; `next` must outlive the result. REQUIRES: both are of one model.
absl::StatusOr<std::unique_ptr<const Publication>> PublishDelta(const Checkpoint& next, const Checkpoint& parent);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_PUBLICATION_H_
