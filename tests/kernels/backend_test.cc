// Every operation of the CPU backend agrees with the reference backend, and no result depends on the batch.
#include "kernels/backend.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

constexpr float kTolerance = 1e-5f;

void ExpectClose(const std::vector<float>& actual, const std::vector<float>& expected, const char* what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], kTolerance * (1.0f + std::abs(expected[i]))) << what << " at " << i;
  }
}

// (instruction set, threads)
class BackendTest : public testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  std::unique_ptr<Backend> reference_ = NewReferenceBackend();
  std::unique_ptr<Backend> cpu_ = NewCpuBackend(std::get<1>(GetParam()), std::get<0>(GetParam()));
};

TEST_P(BackendTest, RmsNormAgrees) {
  for (int64_t dim : {1, 5, 16, 40, 257}) {
    std::vector<float> x = RandomFloats(3 * dim, 1), gain = RandomFloats(dim, 2), a(3 * dim), b(3 * dim);
    cpu_->RmsNorm({x.data(), 3, dim}, dim, gain.data(), 1e-6f, {a.data(), 3, dim});
    reference_->RmsNorm({x.data(), 3, dim}, dim, gain.data(), 1e-6f, {b.data(), 3, dim});
    ExpectClose(a, b, "norm");
  }
}

std::vector<float> Encode(Backend& backend, std::vector<float> qkv, int32_t heads, int32_t dim,
                          std::vector<EncoderSequence> sequences, int64_t rows) {
  const int64_t inner = int64_t{heads} * dim;
  std::vector<float> out(rows * inner);
  auto part = [&](int i) { return Rows{qkv.data() + i * rows * inner, rows, inner}; };
  backend.Attend(EncoderAttention{part(0), part(1), part(2), {out.data(), rows, inner}, heads, dim, sequences});
  return out;
}

TEST_P(BackendTest, EncoderAttentionAgreesOnRaggedSequences) {
  const int32_t heads = 3, reach = 20;
  const std::vector<float> table = RandomFloats(heads * (2 * reach + 1), 9);
  for (int32_t dim : {5, 16, 64}) {
    const std::vector<EncoderSequence> sequences = {
        {0, 1, {table.data(), reach}}, {1, 50, {table.data(), reach}}, {51, 13, {}}};
    const std::vector<float> qkv = RandomFloats(3 * 64 * heads * dim, dim);
    ExpectClose(Encode(*cpu_, qkv, heads, dim, sequences, 64), Encode(*reference_, qkv, heads, dim, sequences, 64),
                "encoder attention");
  }
}

TEST_P(BackendTest, DecodeAttentionAgreesAtEveryLength) {
  const int32_t heads = 2, reach = 8;
  const std::vector<float> table = RandomFloats(heads * (2 * reach + 1), 9);
  for (int32_t dim : {12, 64}) {
    const int64_t inner = heads * dim;
    std::vector<float> q = RandomFloats(40 * inner, 1);
    const std::vector<float> keys = RandomFloats(40 * inner, 2), values = RandomFloats(40 * inner, 3);
    std::vector<DecodeQuery> queries;
    for (int32_t length = 1; length <= 40; ++length) {
      const RelativeBias bias = length % 3 == 0 ? RelativeBias{} : RelativeBias{table.data(), reach};
      queries.push_back({keys.data(), values.data(), inner, length, length - 1, bias});
    }
    std::vector<float> a(40 * inner), b(40 * inner);
    cpu_->Attend(DecodeAttention{{q.data(), 40, inner}, {a.data(), 40, inner}, heads, dim, queries});
    reference_->Attend(DecodeAttention{{q.data(), 40, inner}, {b.data(), 40, inner}, heads, dim, queries});
    ExpectClose(a, b, "decode attention");
  }
}

TEST_P(BackendTest, ScatterPutsEachRowInItsPlace) {
  for (Backend* backend : {reference_.get(), cpu_.get()}) {
    std::vector<float> rows = RandomFloats(6, 1), first(3), second(3);
    float* const destinations[] = {second.data(), first.data()};
    backend->Scatter({rows.data(), 2, 3}, 3, destinations);
    EXPECT_EQ(second, std::vector<float>(rows.begin(), rows.begin() + 3));
    EXPECT_EQ(first, std::vector<float>(rows.begin() + 3, rows.end()));
  }
}

TEST(BackendFactoryTest, RefusesAnUnknownDevice) {
  EXPECT_EQ(NewBackend("abacus", 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(NewBackend("cpu", 0).status().code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, BackendTest,
                         testing::Combine(testing::ValuesIn(CpuInstructionSets()), testing::Values(1, 3)));

}  // namespace
}  // namespace trimtab
