// Versions of a tiny checkpoint and what a publisher would send of them.
#ifndef TRIMTAB_TESTS_SERVER_PUBLICATION_H_
#define TRIMTAB_TESTS_SERVER_PUBLICATION_H_

#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/checkpoint.h"
#include "model/checksum.h"
#include "model/delta.h"
#include "model/published.h"
#include "server/staging.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {

using CheckpointPtr = std::shared_ptr<const Checkpoint>;

// A folder in memory where the system has one, since tests of durability flush often; removed when this goes.
class RamFolder {
 public:
  RamFolder() {
    std::string pattern = std::filesystem::is_directory("/dev/shm") ? "/dev/shm/trimtab_XXXXXX" : "/tmp/trimtab_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~RamFolder() { std::filesystem::remove_all(path_); }
  RamFolder(const RamFolder&) = delete;
  RamFolder& operator=(const RamFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline CheckpointPtr OpenTiny(const TempDir& directory, const TinyOptions& options = {}) {
  const std::string path = directory.File("checkpoint");
  EXPECT_OK(MakeTinyClp(path, options));
  absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(path);
  EXPECT_OK(checkpoint);
  return std::make_shared<const Checkpoint>(*std::move(checkpoint));
}

// `parent` after a step of training that moves every `stride`th element by up to a hundredth, under a new name. Its
// dtypes are the parent's, or BF16. `base` gives the reference; null: the parent, which then stays in memory.
inline CheckpointPtr NextVersion(const Checkpoint& parent, uint64_t epoch, uint64_t sequence, bool bf16 = false,
                                 int stride = 1, const Checkpoint* base = nullptr) {
  auto owner = std::make_shared<std::vector<std::string>>();
  const std::vector<PublishedTensor> places = PublishedTensors(parent);
  owner->reserve(2 * places.size());
  std::mt19937 random(static_cast<uint32_t>(sequence));
  std::uniform_real_distribution<float> step(0.99f, 1.01f);
  std::vector<Tensor> tensors;
  for (const PublishedTensor& place : places) {
    std::vector<float> values(place.In(parent).elements());
    EXPECT_OK(ToFloat32(place.In(parent), "parent", values));
    for (size_t i = 0; i < values.size(); i += stride) values[i] *= step(random);
    Tensor tensor{DType::kF32, place.In(parent).shape, {}};
    const std::string* bytes =
        &owner->emplace_back(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    tensor.bytes = std::as_bytes(std::span<const char>(*bytes));
    if (bf16 || place.In(parent).dtype == DType::kBF16) {
      bytes = &owner->emplace_back(RoundToBf16(tensor));
      tensor.dtype = DType::kBF16;
      tensor.bytes = std::as_bytes(std::span<const char>(*bytes));
    }
    tensors.push_back(std::move(tensor));
  }
  Checkpoint next = WithPublished(base == nullptr ? parent : *base, tensors, std::move(owner), {epoch, sequence, ""});
  next.digest = next.clp.digest = ParametersDigest(next.tensors);
  return std::make_shared<const Checkpoint>(std::move(next));
}

struct Piece {
  uint64_t tensor = 0, offset = 0;
  std::string bytes;
  uint64_t checksum = 0;
};

inline Piece MakePiece(uint64_t tensor, uint64_t offset, absl::string_view bytes) {
  return {tensor, offset, std::string(bytes), ChunkChecksum(tensor, offset, bytes)};
}

// All that a publisher sends to turn `parent` into `next`.
struct Transfer {
  Manifest manifest;
  std::vector<Piece> pieces;  // In order.
};

inline Transfer MakeTransfer(const Checkpoint& next, const Checkpoint& parent, TensorEncoding encoding,
                             size_t piece_bytes = 1000) {
  Transfer transfer;
  transfer.manifest.version = next.version();
  transfer.manifest.expected_parent = parent.digest;
  for (const PublishedTensor& place : PublishedTensors(next)) {
    const Tensor &tensor = place.In(next), &before = place.In(parent);
    std::string encoded(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    if (encoding == TensorEncoding::kDelta) {
      encoded = EncodeDelta(before.bytes, tensor.bytes, tensor.dtype == DType::kF32 ? 4 : 2);
    }
    const uint64_t number = transfer.manifest.tensors.size();
    transfer.manifest.tensors.push_back({.name = place.SpecIn(next).name,
                                         .reward = place.reward,
                                         .dtype = tensor.dtype,
                                         .shape = tensor.shape,
                                         .encoding = encoding,
                                         .encoded_bytes = encoded.size(),
                                         .checksum = ContentChecksum(tensor.bytes)});
    for (size_t offset = 0; offset < encoded.size(); offset += piece_bytes) {
      transfer.pieces.push_back(MakePiece(number, offset, absl::string_view(encoded).substr(offset, piece_bytes)));
    }
  }
  return transfer;
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_PUBLICATION_H_
