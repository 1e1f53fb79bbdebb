// Matrix products of every precision on the CUDA backend against the reference backend, and their bits across batches.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/cuda_backend.h"
#include "tests/kernels/cuda/device_rows.h"
#include "tests/kernels/product_cases.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

class CudaProductTest : public testing::TestWithParam<Precision> {
 protected:
  std::vector<float> Multiply(Backend& backend, const std::vector<float>& x, int64_t rows, const PackedMatrix& w,
                              Accumulate mode = Accumulate::kStore) {
    const int64_t stride = w.out + 3;  // What lies between rows is looked at too.
    DeviceRows xs(backend, x, w.in), y(backend, std::vector<float>(rows * stride, 0.5f), stride);
    const Product product{w, y.rows(), mode};
    backend.MatMul(xs.rows(), {&product, 1});
    return y.values();
  }

  // Of a sum of `in` products: activations keep 16 bits in bfloat16 and 22 in float32; int8 is exact.
  static double Tolerance(int64_t in) {
    const double one = GetParam() == Precision::kBfloat16 ? 3e-5 : GetParam() == Precision::kFloat32 ? 2e-6 : 0.0;
    return one * std::sqrt(static_cast<double>(in));
  }

  std::unique_ptr<Backend> cuda_ = NewCudaBackend(0).value();
  std::unique_ptr<Backend> reference_ = NewReferenceBackend();
};

TEST_P(CudaProductTest, AgreesForManyShapes) {
  uint32_t seed = 1;
  for (int64_t rows : {1, 7, 8, 9, 17, 33, 64, 65}) {
    for (int64_t in : {1, 64, 129, 600}) {
      for (int64_t out : {1, 16, 33}) {
        const std::vector<float> x = RandomFloats(rows * in, seed++), w = RandomFloats(out * in, seed++);
        const PackedCopy a(*cuda_, w, out, in, GetParam()), b(*reference_, w, out, in, GetParam());
        const Accumulate mode = seed % 4 < 2 ? Accumulate::kStore : Accumulate::kAdd;
        ExpectClose(Multiply(*cuda_, x, rows, a.get(), mode), Multiply(*reference_, x, rows, b.get(), mode),
                    Tolerance(in));
        if (HasFatalFailure()) FAIL() << rows << " rows, " << in << " inputs, " << out << " outputs";
      }
    }
  }
}

TEST_P(CudaProductTest, ARowHasTheSameBitsInEveryBatch) {
  const int64_t in = 300, out = 40, stride = out + 3, rows = 70;
  const std::vector<float> x = RandomFloats(rows * in, 1);
  const PackedCopy w(*cuda_, RandomFloats(out * in, 2), out, in, GetParam());
  const std::vector<float> whole = Multiply(*cuda_, x, rows, w.get());
  for (int64_t begin : {0, 3, 33, 60}) {
    for (int64_t count : {1, 2, 9, 24, 65}) {
      if (begin + count > rows) continue;
      const std::vector<float> part(x.begin() + begin * in, x.begin() + (begin + count) * in);
      const std::vector<float> y = Multiply(*cuda_, part, count, w.get());
      ASSERT_TRUE(std::equal(y.begin(), y.end(), whole.begin() + begin * stride)) << begin << " + " << count;
    }
  }
}

TEST_P(CudaProductTest, WhatLiesBetweenTheRowsOfXDoesNotMatter) {
  const int64_t in = 70, out = 20, rows = 3, stride = 140;
  std::vector<float> x(rows * stride, std::nanf("")), packed_x;
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<float> row = RandomFloats(in, static_cast<uint32_t>(r));
    std::copy(row.begin(), row.end(), x.begin() + r * stride);
    packed_x.insert(packed_x.end(), row.begin(), row.end());
  }
  const PackedCopy w(*cuda_, RandomFloats(out * in, 9), out, in, GetParam());
  DeviceRows xs(*cuda_, x, stride), y(*cuda_, std::vector<float>(rows * (out + 3), 0.5f), out + 3);
  const Product product{w.get(), y.rows(), Accumulate::kStore};
  cuda_->MatMul(xs.rows(), {&product, 1});
  EXPECT_EQ(y.values(), Multiply(*cuda_, packed_x, rows, w.get()));
}

TEST_P(CudaProductTest, MoreRowsThanAreMadeReadyAtATimeAgree) {
  const int64_t in = 260000, out = 1, rows = 17;
  if (GetParam() == Precision::kInt8) return;  // Sums at most 65,536 products.
  const std::vector<float> x = RandomFloats(rows * in, 1), w = RandomFloats(out * in, 2);
  const PackedCopy a(*cuda_, w, out, in, GetParam()), b(*reference_, w, out, in, GetParam());
  ExpectClose(Multiply(*cuda_, x, rows, a.get()), Multiply(*reference_, x, rows, b.get()), 5e-3);
}

TEST_P(CudaProductTest, SeveralProductsAtOnceAreEachAsAlone) {
  const int64_t in = 96, rows = 5;
  const std::vector<float> xs = RandomFloats(rows * in, 3);
  DeviceRows x(*cuda_, xs, in);
  std::vector<PackedCopy> matrices;
  std::vector<DeviceRows> ys;
  std::vector<Product> products;
  for (int64_t out : {40, 64, 1, 16, 17}) {  // More than one launch takes.
    matrices.emplace_back(*cuda_, RandomFloats(out * in, out), out, in, GetParam());
    ys.emplace_back(*cuda_, std::vector<float>(rows * (out + 3), 0.5f), out + 3);
  }
  for (size_t i = 0; i < ys.size(); ++i) products.push_back({matrices[i].get(), ys[i].rows(), Accumulate::kAdd});
  cuda_->MatMul(x.rows(), products);
  for (size_t i = 0; i < ys.size(); ++i) {
    EXPECT_EQ(ys[i].values(), Multiply(*cuda_, xs, rows, matrices[i].get(), Accumulate::kAdd));
  }
}

TEST_P(CudaProductTest, ActivatedProductsAgreeGatedAndPlain) {
  for (Activation activation : {Activation::kRelu, Activation::kGeluNew, Activation::kGelu, Activation::kSilu}) {
    for (const auto& [rows, out] : {std::pair{1, 16}, {3, 37}, {40, 20}}) {
      for (bool gated : {true, false}) {
        const auto run = [&, rows = rows, out = out](Backend& backend) {
          const int64_t in = 40;
          DeviceRows x(backend, RandomFloats(rows * in, 6), in), y(backend, std::vector<float>(rows * out), out);
          const PackedCopy gate(backend, RandomFloats(out * in, 7), out, in, GetParam());
          const PackedCopy up(backend, RandomFloats(out * in, 8), out, in, GetParam());
          backend.ActivatedMatMul(x.rows(), gate.get(), gated ? up.get() : PackedMatrix{}, activation, y.rows());
          return y.values();
        };
        ExpectClose(run(*cuda_), run(*reference_), std::max(1e-5, 4 * Tolerance(40)));
      }
    }
  }
}

// Products over a basis of three sets; row r uses few or all of them.
class CudaBasisTest : public CudaProductTest {
 protected:
  static constexpr int64_t kIn = 132, kOut = 35;

  // Rows [begin, begin + rows) of a batch of 70.
  std::vector<float> Multiply(Backend& backend, int64_t begin, int64_t rows, bool last_set = true) {
    std::vector<float> xs = RandomFloats(70 * kIn, 1), c = BasisCoefficients(70);
    if (!last_set) {
      for (size_t i = 2; i < c.size(); i += kMaxSets) c[i] = 0.0f;
    }
    std::vector<PackedCopy> matrices;
    std::vector<PackedMatrix> sets;
    for (uint32_t j = 0; j < 3; ++j) {
      matrices.emplace_back(backend, RandomFloats(kOut * kIn, 10 + j), kOut, kIn, GetParam());
      sets.push_back(matrices.back().get());
    }
    if (!last_set) sets[2].data = nullptr;  // Reading it would end the test.
    DeviceRows x(backend, xs, kIn), coefficients(backend, c, kMaxSets);
    DeviceRows y(backend, std::vector<float>(rows * kOut, 0.5f), kOut);
    const Product product{Operand(sets), y.rows(), Accumulate::kAdd};
    backend.MatMul({x.rows().row(begin), rows, kIn}, {&product, 1}, {coefficients.rows().row(begin), rows, kMaxSets});
    return y.values();
  }
};

TEST_P(CudaBasisTest, Agrees) {
  for (int64_t rows : {1, 2, 5, 13, 40, 70}) {
    ExpectClose(Multiply(*cuda_, 0, rows), Multiply(*reference_, 0, rows), std::max(1e-5, 2 * Tolerance(kIn)));
  }
}

TEST_P(CudaBasisTest, ARowHasTheSameBitsInEveryBatch) {
  const std::vector<float> whole = Multiply(*cuda_, 0, 70);
  for (int64_t begin : {0, 4, 50}) {
    for (int64_t count : {1, 3, 20}) {
      const std::vector<float> part = Multiply(*cuda_, begin, count);
      ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + begin * kOut)) << begin << " + " << count;
    }
  }
}

TEST_P(CudaBasisTest, ASetNobodyUsesIsNotRead) {
  ExpectClose(Multiply(*cuda_, 0, 9, false), Multiply(*reference_, 0, 9, false), std::max(1e-5, 2 * Tolerance(kIn)));
}

const auto kPrecisions = testing::Values(Precision::kFloat32, Precision::kBfloat16, Precision::kInt8);
const auto kName = [](const auto& info) { return std::string(PrecisionName(info.param)); };
INSTANTIATE_TEST_SUITE_P(All, CudaProductTest, kPrecisions, kName);
INSTANTIATE_TEST_SUITE_P(All, CudaBasisTest, kPrecisions, kName);

// int8 sums are exact: the bits of the reference's int32 loops, also at the ends of the range.
class CudaInt8Test : public CudaProductTest {
 protected:
  void ExpectSameBits(const std::vector<float>& x, int64_t rows, const std::vector<float>& w, int64_t out, int64_t in) {
    const PackedCopy a(*cuda_, w, out, in, Precision::kInt8), b(*reference_, w, out, in, Precision::kInt8);
    EXPECT_EQ(Multiply(*cuda_, x, rows, a.get()), Multiply(*reference_, x, rows, b.get()));
  }
};

TEST_P(CudaInt8Test, FullRangeInputsAndTheLongestSum) {
  for (int64_t in : {4, 768, 65536}) {
    ExpectSameBits(std::vector<float>(2 * in, -3.0f), 2, std::vector<float>(2 * in, 7.0f), 2, in);
    ExpectSameBits(std::vector<float>(2 * in, -3.0f), 2, std::vector<float>(2 * in, -7.0f), 2, in);
  }
}

TEST_P(CudaInt8Test, HalvesZerosAndTinyValues) {
  for (const AwkwardOperands& a : AllAwkwardOperands()) ExpectSameBits(a.x, a.kRows, a.w, a.kOut, a.kIn);
}

INSTANTIATE_TEST_SUITE_P(All, CudaInt8Test, testing::Values(Precision::kInt8), kName);

}  // namespace
}  // namespace trimtab
