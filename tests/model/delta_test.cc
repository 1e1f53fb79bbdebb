#include "model/delta.h"

#include <zstd.h>

#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> RandomBytes(size_t size, std::mt19937& random) {
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// `count` elements changed in any of their bits.
std::vector<std::byte> Changed(std::vector<std::byte> bytes, int element_bytes, size_t count, std::mt19937& random) {
  for (size_t i = 0; i < count; ++i) {
    bytes[random() % (bytes.size() / element_bytes) * element_bytes + random() % element_bytes] ^= std::byte{1};
  }
  return bytes;
}

std::string Frame(const std::string& content) {
  std::string frame(ZSTD_compressBound(content.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), content.data(), content.size(), 1));
  return frame;
}

std::string Count(uint64_t count) { return std::string(reinterpret_cast<const char*>(&count), sizeof(count)); }

TEST(DeltaTest, GivesTheNewStateBitForBit) {
  std::mt19937 random(1);
  for (const int element_bytes : {2, 4}) {
    for (const size_t changes : {0, 1, 7, 300, 100000}) {
      const std::vector<std::byte> old_state = RandomBytes(3000 * element_bytes, random);
      const std::vector<std::byte> new_state = Changed(old_state, element_bytes, changes, random);
      const std::string delta = EncodeDelta(old_state, new_state, element_bytes);
      EXPECT_LE(delta.size(), MaxDeltaBytes(3000, element_bytes));
      std::vector<std::byte> tensor = old_state;
      ASSERT_OK(ApplyDelta(delta, element_bytes, tensor));
      EXPECT_EQ(tensor, new_state);
    }
  }
}

TEST(DeltaTest, TakesLittleForFewChanges) {
  std::mt19937 random(2);
  const std::vector<std::byte> old_state = RandomBytes(2 << 20, random);
  EXPECT_LT(EncodeDelta(old_state, old_state, 2).size(), 32u);
  EXPECT_LT(EncodeDelta(old_state, Changed(old_state, 2, 1000, random), 2).size(), 4000u);
}

TEST(DeltaTest, ReachesTheFirstAndTheLastElement) {
  std::vector<std::byte> old_state(4000), new_state(4000);
  new_state.front() = new_state.back() = std::byte{0x80};
  std::vector<std::byte> tensor = old_state;
  ASSERT_OK(ApplyDelta(EncodeDelta(old_state, new_state, 4), 4, tensor));
  EXPECT_EQ(tensor, new_state);
}

TEST(DeltaTest, RefusesWhatIsNoDeltaOfThisTensor) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "states a content"},
      {"no frame", "states a content"},
      {Frame("short"), "states a content"},
      {Frame(std::string(1 << 20, '\0')), "states a content"},
      {Frame(Count(11)), "changes 11 elements; the tensor has 10"},
      {Frame(Count(2) + '\1'), "ends within its distances"},
      {Frame(Count(1) + "\x80\x80\x80\x80\x80\x01" + "vv"), "ends within its distances"},
      {Frame(Count(1) + '\x0a' + "vv"), "is at element 10"},
      {Frame(Count(2) + '\1' + '\0' + "vvvv"), "is at element 1"},
      {Frame(Count(1) + '\1' + "vvv"), "3 bytes of values; expected 2"},
      {Frame(Count(1) + '\1'), "0 bytes of values; expected 2"},
  };
  for (const auto& [delta, complaint] : cases) {
    std::vector<std::byte> tensor(20);
    EXPECT_THAT(ApplyDelta(delta, 2, tensor), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(complaint)));
  }
  std::string damaged = Frame(Count(1) + '\1' + "vv");
  damaged.resize(damaged.size() - 1);
  std::vector<std::byte> tensor(20);
  EXPECT_THAT(ApplyDelta(damaged, 2, tensor), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(DeltaTest, SurvivesAnyBytes) {
  std::mt19937 random(3);
  const std::vector<std::byte> old_state = RandomBytes(2000, random);
  const std::string delta = EncodeDelta(old_state, Changed(old_state, 2, 100, random), 2);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = delta;
    for (int flips = random() % 4; flips >= 0; --flips) damaged[random() % damaged.size()] ^= 1 << random() % 8;
    std::vector<std::byte> tensor = old_state;
    ApplyDelta(damaged, 2, tensor).IgnoreError();  // Whatever it says, it stays within the tensor (sanitizers watch).
  }
}

}  // namespace
}  // namespace trimtab
