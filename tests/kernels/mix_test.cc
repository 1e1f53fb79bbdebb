#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/backend.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

class MixTest : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Backend> backend_ = NewBackend(GetParam(), 1).value();

  std::vector<float> Mix(const std::vector<std::vector<float>>& sets, const std::vector<float>& c) {
    std::vector<const float*> pointers;
    for (const auto& set : sets) pointers.push_back(set.data());
    std::vector<float> out(sets[0].size(), -7.0f);
    backend_->Mix(pointers, c, static_cast<int64_t>(out.size()), out.data());
    return out;
  }
};

TEST_P(MixTest, AgreesWithTheFormulaByHand) {
  EXPECT_EQ(Mix({{1, 2}, {10, 20}, {100, 200}}, {0.25f, 0.5f, 0.25f}), (std::vector<float>{30.25f, 60.5f}));
}

TEST_P(MixTest, AgreesWithDoubleForEveryLengthAndNumberOfSets) {
  for (int k = 1; k <= 17; ++k) {
    for (int64_t n : {1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 1000, 1023}) {
      std::vector<std::vector<float>> sets;
      std::vector<float> c;
      for (int j = 0; j < k; ++j) {
        sets.push_back(RandomFloats(n, 100 * k + j));
        c.push_back(1.0f / static_cast<float>(k));
      }
      const std::vector<float> out = Mix(sets, c);
      for (int64_t i = 0; i < n; ++i) {
        double expected = 0.0;
        for (int j = 0; j < k; ++j) expected += double{c[j]} * sets[j][i];
        ASSERT_NEAR(out[i], expected, 1e-6) << "k " << k << " n " << n << " i " << i;
      }
    }
  }
}

TEST_P(MixTest, ACoefficientOfOneCopiesBitForBit) {
  std::vector<float> odd = RandomFloats(77, 1);
  odd[0] = -0.0f;
  odd[1] = std::numeric_limits<float>::denorm_min();
  odd[2] = std::numeric_limits<float>::max();
  const std::vector<float> out = Mix({RandomFloats(77, 2), odd, RandomFloats(77, 3)}, {0, 1, 0});
  for (size_t i = 0; i < odd.size(); ++i) {
    EXPECT_EQ(out[i], odd[i]);
    EXPECT_EQ(std::signbit(out[i]), std::signbit(odd[i]));
  }
}

TEST_P(MixTest, NeverReadsASetWhoseCoefficientIsZero) {
  const std::vector<float> set = RandomFloats(40, 4);
  std::vector<float> out(40);
  const float* const sets[] = {nullptr, set.data(), nullptr};
  const float c[] = {0.0f, 0.5f, 0.0f};
  backend_->Mix(sets, c, 40, out.data());
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], 0.5f * set[i]);
}

TEST_P(MixTest, WritesNothingBeyondItsLength) {
  const std::vector<float> set = RandomFloats(64, 5);
  for (int64_t n = 1; n < 64; ++n) {
    std::vector<float> out(64, 42.0f);
    const float* const sets[] = {set.data()};
    const float c[] = {1.0f};
    backend_->Mix(sets, c, n, out.data());
    for (int64_t i = n; i < 64; ++i) ASSERT_EQ(out[i], 42.0f) << "n " << n;
  }
}

TEST_P(MixTest, EmbeddingRowsMixToTheSameBitsAsWholeTensors) {
  const int64_t dim = 37, vocab = 11;
  const std::vector<float> a = RandomFloats(dim * vocab, 6), b = RandomFloats(dim * vocab, 7);
  const std::vector<float> whole = Mix({a, b}, {0.375f, 0.625f});
  const float* const sets[] = {a.data(), b.data()};
  const float c[] = {0.375f, 0.625f};
  const int32_t ids[] = {10, 0, 3, 3};
  std::vector<float> rows(4 * dim);
  backend_->Embed(sets, c, dim, ids, {rows.data(), 4, dim});
  for (int r = 0; r < 4; ++r) {
    for (int64_t i = 0; i < dim; ++i) ASSERT_EQ(rows[r * dim + i], whole[ids[r] * dim + i]);
  }
}

TEST_P(MixTest, MixingPackedMatricesIsPackingTheMix) {
  const int64_t out = 45, in = 19;
  const std::vector<float> a = RandomFloats(out * in, 8), b = RandomFloats(out * in, 9);
  const int64_t packed = backend_->PackedElements(out, in);
  std::vector<float> pa(packed), pb(packed), expected(packed);
  backend_->Pack(a.data(), out, in, pa.data());
  backend_->Pack(b.data(), out, in, pb.data());
  const std::vector<float> mixed = Mix({a, b}, {0.75f, 0.25f});
  backend_->Pack(mixed.data(), out, in, expected.data());
  EXPECT_EQ(Mix({pa, pb}, {0.75f, 0.25f}), expected);
}

INSTANTIATE_TEST_SUITE_P(Backends, MixTest, testing::Values("reference", "cpu"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace trimtab
