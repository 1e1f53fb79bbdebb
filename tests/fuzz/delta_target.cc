// Deltas of published tensors: any frame, and the round trip.
#include <vector>

#include "model/delta.h"
#include "tests/fuzz/fuzz.h"

namespace trimtab {
namespace {

constexpr size_t kElements = 64;

std::vector<std::byte> Start(int element_bytes) {
  std::vector<std::byte> tensor(kElements * element_bytes);
  for (size_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<std::byte>(i * 7);
  return tensor;
}

void CheckRoundTrip(absl::string_view changes, int element_bytes) {
  const std::vector<std::byte> before = Start(element_bytes);
  std::vector<std::byte> after = before, tensor = before;
  for (size_t i = 0; i < std::min(changes.size(), after.size()); ++i) after[i] ^= static_cast<std::byte>(changes[i]);
  const std::string delta = EncodeDelta(before, after, element_bytes);
  FUZZ_CHECK(delta.size() <= MaxDeltaBytes(kElements, element_bytes));
  FUZZ_CHECK(ApplyDelta(delta, element_bytes, tensor).ok());
  FUZZ_CHECK(tensor == after);
}

FUZZ_TARGET(delta) {
  Choices choices(input);
  const int element_bytes = choices.Bit() ? 4 : 2;
  std::vector<std::byte> tensor = Start(element_bytes);
  CheckMessage(ApplyDelta(choices.Rest(), element_bytes, tensor));
  CheckRoundTrip(choices.Rest(), element_bytes);
}

}  // namespace
}  // namespace trimtab
