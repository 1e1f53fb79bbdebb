// Products over a basis: against the formula in double precision, and their bits across batches.
#include <algorithm>
#include <cmath>
#include <cstring>
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

constexpr int64_t kIn = 132, kOut = 75;
constexpr size_t kSets = 3;

// (instruction set or "reference", precision, threads)
class BasisProductTest : public testing::TestWithParam<std::tuple<std::string, Precision, int>> {
 protected:
  void SetUp() override {
    const auto& [name, precision, threads] = GetParam();
    backend_ = name == "reference" ? NewReferenceBackend() : NewCpuBackend(threads, name);
    for (size_t j = 0; j < kSets; ++j) {
      values_.push_back(RandomFloats(kOut * kIn, 10 + j));
      buffers_.push_back(backend_->Allocate(backend_->PackedBytes(kOut, kIn, precision) / 4).value());
      backend_->Pack(values_[j].data(), kOut, kIn, precision, buffers_[j].raw());
      sets_.push_back({buffers_[j].raw(), kOut, kIn, precision});
    }
  }

  // x times the basis, rows [begin, begin + rows) of x and of the coefficients.
  std::vector<float> Multiply(std::vector<float>& x, std::vector<float>& c, int64_t begin, int64_t rows,
                              Accumulate mode = Accumulate::kStore) {
    std::vector<float> y(rows * kOut, 0.5f);
    const Product product{Operand(sets_), {y.data(), rows, kOut}, mode};
    backend_->MatMul({x.data() + begin * kIn, rows, kIn}, {&product, 1}, {c.data() + begin * kMaxSets, rows, kMaxSets});
    return y;
  }

  // sum_j c_j x W_j in double precision, for weights as they are stored (no precision but int8 changes them much).
  double Expected(const std::vector<float>& x, const std::vector<float>& c, int64_t r, int64_t n) const {
    double sum = 0.0;
    for (size_t j = 0; j < kSets; ++j) {
      double dot = 0.0;
      for (int64_t k = 0; k < kIn; ++k) dot += static_cast<double>(x[r * kIn + k]) * values_[j][n * kIn + k];
      sum += static_cast<double>(c[r * kMaxSets + j]) * dot;
    }
    return sum;
  }

  std::unique_ptr<Backend> backend_;
  std::vector<std::vector<float>> values_;
  std::vector<Buffer> buffers_;
  std::vector<PackedMatrix> sets_;
};

TEST_P(BasisProductTest, IsTheFormula) {
  const int64_t rows = 30;
  std::vector<float> x = RandomFloats(rows * kIn, 1), c = BasisCoefficients(rows);
  const std::vector<float> stored = Multiply(x, c, 0, rows), added = Multiply(x, c, 0, rows, Accumulate::kAdd);
  // What rounding the operands costs a sum of kIn products of values around 1/2.
  const double tolerance = std::get<1>(GetParam()) == Precision::kFloat32    ? 1e-4
                           : std::get<1>(GetParam()) == Precision::kBfloat16 ? 0.1
                                                                             : 0.5;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t n = 0; n < kOut; ++n) {
      const double expected = Expected(x, c, r, n);
      ASSERT_NEAR(stored[r * kOut + n], expected, tolerance) << r << ", " << n;
      ASSERT_NEAR(added[r * kOut + n], expected + 0.5, tolerance) << r << ", " << n;
    }
  }
}

TEST_P(BasisProductTest, ARowHasTheSameBitsInEveryBatch) {
  const int64_t rows = 40;
  std::vector<float> x = RandomFloats(rows * kIn, 2), c = BasisCoefficients(rows);
  const std::vector<float> whole = Multiply(x, c, 0, rows);
  for (int64_t begin = 0; begin < rows; begin += 3) {
    for (int64_t count : {1, 2, 12, 25}) {
      if (begin + count > rows) continue;
      const std::vector<float> part = Multiply(x, c, begin, count);
      ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + begin * kOut)) << begin << " + " << count;
    }
  }
}

TEST_P(BasisProductTest, OneWholeCoefficientIsThatSet) {
  std::vector<float> x = RandomFloats(2 * kIn, 3), c(2 * kMaxSets, 0.0f);
  c[1] = c[kMaxSets + 1] = 1.0f;
  std::vector<float> alone(2 * kOut);
  const Product product{sets_[1], {alone.data(), 2, kOut}};
  backend_->MatMul({x.data(), 2, kIn}, {&product, 1});
  EXPECT_EQ(Multiply(x, c, 0, 2), alone);
}

TEST_P(BasisProductTest, ASetNobodyUsesIsNotRead) {
  std::vector<float> x = RandomFloats(3 * kIn, 4), c = BasisCoefficients(3);
  for (int64_t r = 0; r < 3; ++r) c[r * kMaxSets + 2] = 0.0f;
  const std::vector<float> before = Multiply(x, c, 0, 3);
  sets_[2].data = nullptr;  // Reading it would end the test.
  EXPECT_EQ(Multiply(x, c, 0, 3), before);
}

TEST_P(BasisProductTest, ActivatedIsTheActivationOfTheProducts) {
  const int64_t rows = 27;
  std::vector<float> x = RandomFloats(rows * kIn, 5), c = BasisCoefficients(rows), y(rows * kOut);
  const std::vector<PackedMatrix> other = {sets_[2], sets_[0], sets_[1]};
  backend_->ActivatedMatMul({x.data(), rows, kIn}, Operand(sets_), Operand(other), Activation::kRelu,
                            {y.data(), rows, kOut}, {c.data(), rows, kMaxSets});
  const std::vector<float> gate = Multiply(x, c, 0, rows);
  sets_ = other;
  const std::vector<float> up = Multiply(x, c, 0, rows);
  for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], std::max(gate[i], 0.0f) * up[i], 1e-5) << i;
}

TEST_P(BasisProductTest, AMixByAllThreadsHasTheBitsOfOne) {
  const Precision precision = std::get<1>(GetParam());
  const float c[] = {0.25f, 0.0f, 0.75f};
  if (precision == Precision::kInt8) return;  // Sets are never int8.
  for (const Precision to : {precision, Precision::kInt8}) {
    const int64_t bytes = backend_->PackedBytes(kOut, kIn, to);
    Buffer one = backend_->Allocate(bytes / 4).value(), all = backend_->Allocate(bytes / 4).value();
    backend_->MixMatrix(sets_, c, to, one.raw());
    backend_->MixMatrixNow(sets_, c, to, all.raw());
    EXPECT_EQ(std::memcmp(one.raw(), all.raw(), bytes), 0);
  }
}

std::vector<std::string> Bodies() {
  std::vector<std::string> bodies = CpuInstructionSets();
  bodies.push_back("reference");
  return bodies;
}

INSTANTIATE_TEST_SUITE_P(All, BasisProductTest,
                         testing::Combine(testing::ValuesIn(Bodies()),
                                          testing::Values(Precision::kFloat32, Precision::kBfloat16, Precision::kInt8),
                                          testing::Values(1, 2)));

}  // namespace
}  // namespace trimtab
