#include "model/kv_slots.h"

#include <memory>
#include <set>

#include "gtest/gtest.h"

namespace trimtab {
namespace {

class KvSlotsTest : public testing::Test {
 protected:
  static T5Config Config() {
    T5Config config;
    config.d_kv = 3;
    config.num_heads = 2;
    config.decoder_layers = 2;
    return config;
  }
  std::unique_ptr<Backend> backend_ = NewReferenceBackend();
  KvSlots slots_ = KvSlots::Create(Config(), /*slots=*/4, /*max_positions=*/5, backend_.get()).value();
};

TEST_F(KvSlotsTest, HandsOutEachSlotOnceUntilReleased) {
  std::set<int32_t> taken;
  while (slots_.free_slots() > 0) EXPECT_TRUE(taken.insert(slots_.Acquire()).second);
  EXPECT_EQ(taken.size(), 4u);
  slots_.Release(2);
  EXPECT_EQ(slots_.free_slots(), 1);
  EXPECT_EQ(slots_.Acquire(), 2);
}

TEST_F(KvSlotsTest, NoTwoPlanesOverlap) {
  constexpr int64_t kPlane = 5 * 6;
  float next = 0.0f;
  for (int32_t slot = 0; slot < 4; ++slot) {
    for (int32_t layer = 0; layer < 2; ++layer) {
      for (float* plane : {slots_.keys(slot, layer), slots_.values(slot, layer)}) {
        for (int64_t i = 0; i < kPlane; ++i) plane[i] = next++;
      }
    }
  }
  next = 0.0f;
  for (int32_t slot = 0; slot < 4; ++slot) {
    for (int32_t layer = 0; layer < 2; ++layer) {
      for (float* plane : {slots_.keys(slot, layer), slots_.values(slot, layer)}) {
        for (int64_t i = 0; i < kPlane; ++i) ASSERT_EQ(plane[i], next++);
      }
    }
  }
}

TEST_F(KvSlotsTest, CopiesThePastOfEveryLayerAndNoMore) {
  for (int32_t layer = 0; layer < 2; ++layer) {
    for (int64_t i = 0; i < 30; ++i) {
      slots_.keys(1, layer)[i] = 100.0f * layer + i;
      slots_.values(1, layer)[i] = -100.0f * layer - i;
      slots_.keys(3, layer)[i] = slots_.values(3, layer)[i] = 0.0f;
    }
  }
  slots_.CopySlot(1, 3, 2, backend_.get());
  for (int32_t layer = 0; layer < 2; ++layer) {
    for (int64_t i = 0; i < 30; ++i) {
      EXPECT_EQ(slots_.keys(3, layer)[i], i < 12 ? 100.0f * layer + i : 0.0f);
      EXPECT_EQ(slots_.values(3, layer)[i], i < 12 ? -100.0f * layer - i : 0.0f);
    }
  }
}

}  // namespace
}  // namespace trimtab
