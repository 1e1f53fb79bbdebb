// What the tests of products share, whatever the backend.
#ifndef TRIMTAB_TESTS_KERNELS_PRODUCT_CASES_H_
#define TRIMTAB_TESTS_KERNELS_PRODUCT_CASES_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/backend.h"

namespace trimtab {

// A backend's packed copy of a matrix.
class PackedCopy {
 public:
  PackedCopy(Backend& backend, const std::vector<float>& w, int64_t out, int64_t in, Precision precision)
      : buffer_(backend.Allocate(backend.PackedBytes(out, in, precision) / 4).value()) {
    backend.Pack(w.data(), out, in, precision, buffer_.raw());
    matrix_ = {buffer_.raw(), out, in, precision};
  }
  const PackedMatrix& get() const { return matrix_; }

 private:
  Buffer buffer_;
  PackedMatrix matrix_;
};

inline void ExpectClose(const std::vector<float>& actual, const std::vector<float>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * (1.0 + std::abs(expected[i]))) << "at " << i;
  }
}

// Of three sets, kMaxSets for each row; row r uses few or all of them, and every fifth is alike.
inline std::vector<float> BasisCoefficients(int64_t rows) {
  std::vector<float> c(rows * kMaxSets, std::numeric_limits<float>::quiet_NaN());  // Beyond the sets: not read.
  for (int64_t r = 0; r < rows; ++r) {
    const float first = static_cast<float>(r % 5) / 4.0f;
    c[r * kMaxSets] = first;
    c[r * kMaxSets + 1] = (1.0f - first) * 0.25f;
    c[r * kMaxSets + 2] = (1.0f - first) * 0.75f;
  }
  return c;
}

// Operands that int8 rounds in awkward ways: zeros, halves, values next to nothing.
struct AwkwardOperands {
  static constexpr int64_t kRows = 2, kOut = 33, kIn = 70;
  std::vector<float> x = std::vector<float>(kRows * kIn, 0.0f);
  std::vector<float> w = std::vector<float>(kOut * kIn, 0.0f);
};

inline std::vector<AwkwardOperands> AllAwkwardOperands() {
  std::vector<AwkwardOperands> all(1);
  AwkwardOperands next;
  for (int64_t i = 0; i < next.kIn; ++i) {
    next.x[i] = (static_cast<float>(i) + 0.5f) / 127.0f * (i % 2 == 0 ? 1.0f : -1.0f);
  }
  next.x[next.kIn - 1] = 1.0f;
  for (size_t i = 0; i < next.w.size(); ++i) next.w[i] = static_cast<float>(i % 255) / 2.0f - 63.5f;
  all.push_back(next);
  for (float& value : next.x) value *= 1e-35f;
  all.push_back(next);
  for (float& value : next.w) value *= 1e-33f;
  all.push_back(next);
  return all;
}

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_KERNELS_PRODUCT_CASES_H_
