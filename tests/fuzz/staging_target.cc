// The state machine that receives a version: an honest publication, bent and reordered as the input says.
#include <algorithm>

#include "model/checksum.h"
#include "model/delta.h"
#include "server/staging.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/publication.h"

namespace trimtab {
namespace {

constexpr int64_t kBudget = 1 << 20;
constexpr size_t kMaxChoices = 300;
constexpr size_t kChangeBytes = 52;  // Of all published tensors.

struct Publication {
  Manifest manifest;
  std::vector<std::string> encoded;  // Per tensor of the manifest.
};

Publication Publish(const Checkpoint& next, const Checkpoint& parent, Choices& choices) {
  Publication publication;
  publication.manifest.version = next.version();
  publication.manifest.expected_parent = parent.digest;
  for (const PublishedTensor& place : PublishedTensors(next)) {
    const Tensor &tensor = place.In(next), &before = place.In(parent);
    const bool same = std::ranges::equal(tensor.bytes, before.bytes);
    if (same && choices.Bit()) continue;  // Left out: as in the parent.
    const TensorEncoding encoding = choices.Bit() ? TensorEncoding::kDelta : TensorEncoding::kRaw;
    std::string bytes(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    if (encoding == TensorEncoding::kDelta) {
      bytes = EncodeDelta(before.bytes, tensor.bytes, static_cast<int>(ElementBytes(tensor.dtype)));
    }
    publication.manifest.tensors.push_back({.name = place.SpecIn(next).name,
                                            .reward = place.reward,
                                            .dtype = tensor.dtype,
                                            .shape = tensor.shape,
                                            .encoding = encoding,
                                            .encoded_bytes = bytes.size(),
                                            .checksum = ContentChecksum(tensor.bytes)});
    publication.encoded.push_back(std::move(bytes));
  }
  return publication;
}

// Changes one field of one tensor.
void Bend(Manifest& manifest, Choices& choices) {
  if (manifest.tensors.empty()) return;
  TensorManifest& tensor = manifest.tensors[choices.Below(static_cast<int>(manifest.tensors.size()))];
  switch (choices.Below(7)) {
    case 0:
      tensor.name = choices.Text(1);
      break;
    case 1:
      tensor.reward = choices.Bit() ? "r0" : "";
      break;
    case 2:
      tensor.dtype = static_cast<DType>(choices.Below(4));
      break;
    case 3:
      tensor.shape.push_back(static_cast<int64_t>(choices.Number()));
      break;
    case 4:
      tensor.encoded_bytes = choices.Number() >> choices.Below(64);
      break;
    case 5:
      tensor.checksum += 'x';
      break;
    default:
      manifest.version.digest += 'x';
  }
}

// One chunk as the input wants it. True if it is an honest one.
bool Send(Staging& staging, const Publication& publication, Choices& choices) {
  const size_t count = publication.encoded.size();
  uint64_t tensor = choices.Below(static_cast<int>(count) + 1), offset = choices.Byte();
  std::string bytes;
  bool honest = tensor < count && choices.Bit();
  if (honest) {  // The next piece of this tensor.
    offset = staging.received()[tensor];
    honest = offset <= publication.encoded[tensor].size();
    if (honest) bytes = publication.encoded[tensor].substr(offset, choices.Byte());
  } else {
    bytes = choices.Text(choices.Below(32));
    if (choices.Bit()) offset = choices.Number() >> 20;
  }
  const uint64_t checksum = ChunkChecksum(tensor, offset, bytes) ^ (honest ? 0 : choices.Bit());
  const std::vector<uint64_t> before = staging.received();
  const absl::Status status = staging.Add(tensor, offset, bytes, checksum);
  CheckMessage(status);
  if (!status.ok()) {
    FUZZ_CHECK(staging.received() == before);
    return honest;
  }
  for (size_t i = 0; i < before.size(); ++i) {
    FUZZ_CHECK(staging.received()[i] >= before[i]);
    FUZZ_CHECK(staging.received()[i] <= staging.manifest().tensors[i].encoded_bytes);
  }
  return honest;
}

void SendTheRest(Staging& staging, const Publication& publication) {
  for (size_t i = 0; i < publication.encoded.size(); ++i) {
    const uint64_t offset = staging.received()[i];
    const std::string rest = publication.encoded[i].substr(std::min(publication.encoded[i].size(), offset));
    staging.Add(i, offset, rest, ChunkChecksum(i, offset, rest)).IgnoreError();
  }
}

FUZZ_TARGET(staging) {
  static const auto* const base = new CheckpointPtr(SmallModel());
  Choices choices(input.substr(0, kMaxChoices));
  const CheckpointPtr next = Changed(**base, choices.Text(kChangeBytes * choices.Below(2)), 1, 1 + choices.Byte());
  Publication publication = Publish(*next, **base, choices);
  bool honest = true;
  for (int bends = choices.Below(3); bends > 0; --bends, honest = false) Bend(publication.manifest, choices);
  const int64_t budget = choices.Below(8) == 7 ? choices.Byte() : kBudget;
  const auto staging = Staging::Begin(publication.manifest, *base, *base, budget);
  CheckMessage(staging.status());
  if (!staging.ok()) {
    FUZZ_CHECK(!honest || budget < kBudget);
    return;
  }
  while (!choices.done()) honest = Send(**staging, publication, choices) && honest;
  SendTheRest(**staging, publication);
  CheckMessage((*staging)->CheckComplete());
  if (!(*staging)->CheckComplete().ok()) {
    FUZZ_CHECK(!honest);
    return;
  }
  const absl::StatusOr<Checkpoint> finished = (*staging)->Finish();
  CheckMessage(finished.status());
  FUZZ_CHECK(!honest || finished.ok());
  if (!finished.ok()) return;
  FUZZ_CHECK(ParametersDigest(finished->tensors) == publication.manifest.version.digest);
  FUZZ_CHECK(finished->version() == publication.manifest.version);
}

}  // namespace
}  // namespace trimtab
