#include "model/delta.h"

#include <zstd.h>

#include <cstring>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr int kLevel = 3;
constexpr int kMaxVarintBytes = 5;  // Distances below 2^35.
constexpr size_t kCountBytes = 8;
constexpr uint64_t kFrameSlack = 4096;

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// Takes a number off the front of `in`. False when there is none of at most kMaxVarintBytes.
bool TakeVarint(absl::string_view* in, uint64_t* value) {
  *value = 0;
  for (int i = 0; i < kMaxVarintBytes && !in->empty(); ++i) {
    const auto byte = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    *value |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) return true;
  }
  return false;
}

std::string Compress(absl::string_view content) {
  std::string frame(ZSTD_compressBound(content.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), content.data(), content.size(), kLevel));
  return frame;
}

absl::StatusOr<std::string> Decompress(absl::string_view frame, uint64_t max_bytes) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size < kCountBytes || size > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the delta is no zstd frame that states a content of ", kCountBytes, " to ", max_bytes, " bytes"));
  }
  std::string content(size, '\0');
  const size_t got = ZSTD_decompress(content.data(), content.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) || got != size) return absl::InvalidArgumentError("the delta's zstd frame is damaged");
  return content;
}

// The indexes of the changed elements, off the front of `content`.
absl::StatusOr<std::vector<uint64_t>> TakeIndexes(absl::string_view* content, uint64_t count, uint64_t elements) {
  std::vector<uint64_t> indexes;
  indexes.reserve(count);
  uint64_t index = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t distance;
    if (!TakeVarint(content, &distance)) return absl::InvalidArgumentError("the delta ends within its distances");
    index += distance;
    if (index >= elements || (i > 0 && distance == 0)) {
      return absl::InvalidArgumentError(absl::StrCat("change ", i, " of the delta is at element ", index,
                                                     "; expected growing indexes below ", elements));
    }
    indexes.push_back(index);
  }
  return indexes;
}

}  // namespace

uint64_t MaxDeltaBytes(uint64_t elements, int element_bytes) {
  return elements * (kMaxVarintBytes + element_bytes) + kFrameSlack;
}

std::string EncodeDelta(std::span<const std::byte> old_bytes, std::span<const std::byte> new_bytes, int element_bytes) {
  std::vector<size_t> changed;
  std::string content(kCountBytes, '\0');
  size_t last = 0;
  const size_t elements = new_bytes.size() / element_bytes;
  for (size_t i = 0; i < elements; ++i) {
    const size_t at = i * element_bytes;
    if (std::memcmp(old_bytes.data() + at, new_bytes.data() + at, element_bytes) == 0) continue;
    AppendVarint(i - last, &content);
    changed.push_back(at);
    last = i;
  }
  const uint64_t count = changed.size();
  std::memcpy(content.data(), &count, kCountBytes);
  for (int plane = 0; plane < element_bytes; ++plane) {
    for (const size_t at : changed) content.push_back(static_cast<char>(old_bytes[at + plane] ^ new_bytes[at + plane]));
  }
  return Compress(content);
}

absl::Status ApplyDelta(absl::string_view delta, int element_bytes, std::span<std::byte> tensor) {
  const uint64_t elements = tensor.size() / element_bytes;
  const absl::StatusOr<std::string> content = Decompress(delta, MaxDeltaBytes(elements, element_bytes));
  if (!content.ok()) return content.status();
  uint64_t count;
  std::memcpy(&count, content->data(), kCountBytes);
  if (count > elements) {
    return absl::InvalidArgumentError(
        absl::StrCat("the delta changes ", count, " elements; the tensor has ", elements));
  }
  absl::string_view rest = absl::string_view(*content).substr(kCountBytes);
  ASSIGN_OR_RETURN(const std::vector<uint64_t> indexes, TakeIndexes(&rest, count, elements));
  if (rest.size() != count * element_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the delta has ", rest.size(), " bytes of values; expected ", count * element_bytes));
  }
  const char* value = rest.data();
  for (int plane = 0; plane < element_bytes; ++plane) {
    for (const uint64_t index : indexes) tensor[index * element_bytes + plane] ^= static_cast<std::byte>(*value++);
  }
  return absl::OkStatus();
}

}  // namespace trimtab
