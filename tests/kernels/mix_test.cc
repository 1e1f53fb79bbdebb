#include <cmath>
#include <cstring>
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
  std::unique_ptr<Backend> backend_ = GetParam() == "reference" ? NewReferenceBackend() : NewCpuBackend(1, GetParam());
  std::vector<Buffer> buffers_;

  PackedMatrix Packed(const std::vector<float>& w, int64_t out, int64_t in, Precision precision) {
    buffers_.push_back(backend_->Allocate(backend_->PackedBytes(out, in, precision) / 4).value());
    backend_->Pack(w.data(), out, in, precision, buffers_.back().raw());
    return {buffers_.back().raw(), out, in, precision};
  }

  // What is left of a value that is stored.
  static float Kept(float value, Precision precision) {
    return precision == Precision::kFloat32 ? value : FromBfloat16(ToBfloat16(value));
  }

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
  for (Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const std::vector<PackedMatrix> sets = {Packed(a, out, in, precision), Packed(b, out, in, precision)};
    const int64_t bytes = backend_->PackedBytes(out, in, precision);
    std::vector<float> kept_a = a, kept_b = b;
    for (float& value : kept_a) value = Kept(value, precision);
    for (float& value : kept_b) value = Kept(value, precision);
    const std::vector<float> mixed = Mix({kept_a, kept_b}, {0.75f, 0.25f});
    const PackedMatrix expected = Packed(mixed, out, in, precision);
    std::vector<std::byte> actual(bytes);
    const float c[] = {0.75f, 0.25f};
    backend_->MixMatrix(sets, c, precision, actual.data());
    EXPECT_EQ(std::memcmp(actual.data(), expected.data, bytes), 0) << PrecisionName(precision);
  }
}

// Mixing into int8 is packing, in int8, what the mix gives in float32.
TEST_P(MixTest, MixingIntoInt8IsPackingTheMix) {
  for (const auto& [out, in] : {std::pair{45, 19}, {32, 64}, {100, 130}, {1, 1}}) {
    for (int k : {1, 2, 3, 5, 7}) {
      for (Precision from : {Precision::kFloat32, Precision::kBfloat16}) {
        std::vector<PackedMatrix> sets;
        std::vector<const float*> values;
        std::vector<std::vector<float>> kept;
        std::vector<float> c;
        for (int j = 0; j < k; ++j) {
          std::vector<float> set = RandomFloats(out * in, 31 * j + in);
          sets.push_back(Packed(set, out, in, from));
          for (float& value : set) value = Kept(value, from);
          kept.push_back(std::move(set));
          c.push_back(1.0f / static_cast<float>(k));
        }
        const std::vector<float> mixed = Mix(kept, c);
        const int64_t bytes = backend_->PackedBytes(out, in, Precision::kInt8);
        const PackedMatrix expected = Packed(mixed, out, in, Precision::kInt8);
        std::vector<std::byte> actual(bytes);
        backend_->MixMatrix(sets, c, Precision::kInt8, actual.data());
        EXPECT_EQ(std::memcmp(actual.data(), expected.data, bytes), 0) << out << " x " << in << ", " << k << " sets";
      }
    }
  }
}

// One coefficient of 1 copies a packed matrix bit for bit, however large: also where results go past the caches.
TEST_P(MixTest, ACoefficientOfOneCopiesPackedMatricesOfEverySize) {
  for (const auto& [out, in] : {std::pair{33, 17}, {512, 600}}) {
    for (Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      const PackedMatrix set = Packed(RandomFloats(out * in, 3), out, in, precision);
      const PackedMatrix unread{nullptr, out, in, precision};
      const int64_t bytes = backend_->PackedBytes(out, in, precision);
      Buffer copy = backend_->Allocate(bytes / 4).value();
      backend_->MixMatrix(std::vector<PackedMatrix>{unread, set, unread}, std::vector<float>{0, 1, 0}, precision,
                          copy.raw());
      EXPECT_EQ(std::memcmp(copy.raw(), set.data, bytes), 0);
    }
  }
}

std::vector<std::string> Backends() {
  std::vector<std::string> names = CpuInstructionSets();
  names.push_back("reference");
  return names;
}

INSTANTIATE_TEST_SUITE_P(Backends, MixTest, testing::ValuesIn(Backends()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace trimtab
