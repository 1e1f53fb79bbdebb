// Matrix products of every precision and instruction set against the reference backend, and their bits across batches.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/backend.h"
#include "tests/kernels/product_cases.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

std::vector<float> Multiply(Backend& backend, std::vector<float> x, int64_t rows, const PackedMatrix& w,
                            Accumulate mode) {
  std::vector<float> y(rows * w.out, 0.5f);
  const Product product{w, {y.data(), rows, w.out}, mode};
  backend.MatMul({x.data(), rows, w.in}, {&product, 1});
  return y;
}

// (instruction set, precision, threads)
class ProductTest : public testing::TestWithParam<std::tuple<std::string, Precision, int>> {
 protected:
  const Precision precision_ = std::get<1>(GetParam());
  std::unique_ptr<Backend> reference_ = NewReferenceBackend();
  std::unique_ptr<Backend> cpu_ = NewCpuBackend(std::get<2>(GetParam()), std::get<0>(GetParam()));
};

TEST_P(ProductTest, AgreesForManyShapes) {
  uint32_t seed = 1;
  for (int64_t rows : {1, 2, 3, 5, 7, 11, 12, 13, 25, 64}) {
    for (int64_t in : {1, 7, 64, 129}) {
      for (int64_t out : {1, 15, 31, 32, 33, 100}) {
        const std::vector<float> x = RandomFloats(rows * in, seed++), w = RandomFloats(out * in, seed++);
        const PackedCopy a(*cpu_, w, out, in, precision_), b(*reference_, w, out, in, precision_);
        for (Accumulate mode : {Accumulate::kStore, Accumulate::kAdd}) {
          const std::vector<float> actual = Multiply(*cpu_, x, rows, a.get(), mode);
          const std::vector<float> expected = Multiply(*reference_, x, rows, b.get(), mode);
          ExpectClose(actual, expected, 1e-5);
        }
      }
    }
  }
}

TEST_P(ProductTest, ARowHasTheSameBitsInEveryBatch) {
  const int64_t in = 320, out = 200, rows = 64;
  const std::vector<float> x = RandomFloats(rows * in, 1);
  const PackedCopy w(*cpu_, RandomFloats(out * in, 2), out, in, precision_);
  const std::vector<float> whole = Multiply(*cpu_, x, rows, w.get(), Accumulate::kStore);
  for (int64_t begin = 0; begin < rows; begin += 7) {
    for (int64_t count : {1, 2, 6, 13, 24, 25}) {
      if (begin + count > rows) continue;
      const std::vector<float> part(x.begin() + begin * in, x.begin() + (begin + count) * in);
      const std::vector<float> y = Multiply(*cpu_, part, count, w.get(), Accumulate::kStore);
      ASSERT_TRUE(std::equal(y.begin(), y.end(), whole.begin() + begin * out)) << begin << " + " << count;
    }
  }
}

TEST_P(ProductTest, SeveralProductsAtOnceAreEachAsAlone) {
  const int64_t in = 96, rows = 5;
  std::vector<float> x = RandomFloats(rows * in, 3);
  const PackedCopy a(*cpu_, RandomFloats(40 * in, 4), 40, in, precision_);
  const PackedCopy b(*cpu_, RandomFloats(64 * in, 5), 64, in, precision_);
  std::vector<float> ya(rows * 40), yb(rows * 64, 0.5f);
  const Product products[] = {{a.get(), {ya.data(), rows, 40}}, {b.get(), {yb.data(), rows, 64}, Accumulate::kAdd}};
  cpu_->MatMul({x.data(), rows, in}, products);
  EXPECT_EQ(ya, Multiply(*cpu_, x, rows, a.get(), Accumulate::kStore));
  EXPECT_EQ(yb, Multiply(*cpu_, x, rows, b.get(), Accumulate::kAdd));
}

TEST_P(ProductTest, LeavesNeighboursOfAStridedResultAlone) {
  const int64_t rows = 3, in = 8, out = 5, stride = 9;
  std::vector<float> x = RandomFloats(rows * in, 1);
  const PackedCopy w(*cpu_, RandomFloats(out * in, 2), out, in, precision_);
  std::vector<float> y(rows * stride, 42.0f);
  const Product product{w.get(), {y.data(), rows, stride}};
  cpu_->MatMul({x.data(), rows, in}, {&product, 1});
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = out; c < stride; ++c) EXPECT_EQ(y[r * stride + c], 42.0f);
  }
}

TEST_P(ProductTest, ActivatedProductsAgreeGatedAndPlain) {
  for (Activation activation : {Activation::kRelu, Activation::kGeluNew, Activation::kGelu, Activation::kSilu}) {
    for (const auto& [rows, out] : {std::pair{1, 16}, {3, 37}, {30, 64}}) {
      const int64_t in = 40;
      std::vector<float> x = RandomFloats(rows * in, 6), a(rows * out), b(rows * out);
      const std::vector<float> gate = RandomFloats(out * in, 7), up = RandomFloats(out * in, 8);
      const PackedCopy cpu_gate(*cpu_, gate, out, in, precision_), cpu_up(*cpu_, up, out, in, precision_);
      const PackedCopy ref_gate(*reference_, gate, out, in, precision_), ref_up(*reference_, up, out, in, precision_);
      for (bool gated : {true, false}) {
        const Rows xs{x.data(), rows, in};
        cpu_->ActivatedMatMul(xs, cpu_gate.get(), gated ? cpu_up.get() : PackedMatrix{}, activation,
                              {a.data(), rows, out});
        reference_->ActivatedMatMul(xs, ref_gate.get(), gated ? ref_up.get() : PackedMatrix{}, activation,
                                    {b.data(), rows, out});
        ExpectClose(a, b, 1e-5);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ProductTest,
                         testing::Combine(testing::ValuesIn(CpuInstructionSets()),
                                          testing::Values(Precision::kFloat32, Precision::kBfloat16, Precision::kInt8),
                                          testing::Values(1, 3)));

// int8 sums are exact: every instruction set gives the bits of the reference's int32 loops, also where a product in 16
// bits would saturate.
class Int8Test : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Backend> reference_ = NewReferenceBackend();
  std::unique_ptr<Backend> cpu_ = NewCpuBackend(2, GetParam());

  void ExpectSameBits(const std::vector<float>& x, int64_t rows, const std::vector<float>& w, int64_t out, int64_t in) {
    const PackedCopy a(*cpu_, w, out, in, Precision::kInt8), b(*reference_, w, out, in, Precision::kInt8);
    EXPECT_EQ(Multiply(*cpu_, x, rows, a.get(), Accumulate::kStore),
              Multiply(*reference_, x, rows, b.get(), Accumulate::kStore));
  }
};

TEST_P(Int8Test, FullRangeInputsOfAllSigns) {
  for (int64_t in : {4, 64, 768, 2048}) {
    for (float xs : {1.0f, -1.0f}) {
      for (float ws : {1.0f, -1.0f}) {
        ExpectSameBits(std::vector<float>(3 * in, xs), 3, std::vector<float>(40 * in, ws), 40, in);
      }
    }
    std::vector<float> x = RandomFloats(13 * in, 1), w = RandomFloats(40 * in, 2);
    ExpectSameBits(x, 13, w, 40, in);
    // Only the ends of the range, signs at random.
    for (float& value : x) value = value < 0 ? -1.0f : 1.0f;
    for (float& value : w) value = value < 0 ? -1.0f : 1.0f;
    ExpectSameBits(x, 13, w, 40, in);
  }
}

TEST_P(Int8Test, TheLongestSum) {
  const int64_t in = 65536;
  ExpectSameBits(std::vector<float>(in, 3.0f), 1, std::vector<float>(2 * in, -7.0f), 2, in);
  ExpectSameBits(std::vector<float>(in, 3.0f), 1, std::vector<float>(2 * in, 7.0f), 2, in);
}

TEST_P(Int8Test, HalvesZerosAndTinyValues) {
  for (const AwkwardOperands& a : AllAwkwardOperands()) ExpectSameBits(a.x, a.kRows, a.w, a.kOut, a.kIn);
}

INSTANTIATE_TEST_SUITE_P(All, Int8Test, testing::ValuesIn(CpuInstructionSets()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace trimtab
