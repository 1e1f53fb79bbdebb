// Every operation of the CPU backend agrees with the reference backend, and no result depends on the batch.
#include "kernels/backend.h"

#include <algorithm>
#include <cmath>
#include <memory>
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

class BackendTest : public testing::TestWithParam<int> {
 protected:
  std::unique_ptr<Backend> reference_ = NewReferenceBackend();
  std::unique_ptr<Backend> cpu_ = NewCpuBackend(GetParam());

  static std::vector<float> Product(Backend& backend, std::vector<float> x, int64_t rows, int64_t in,
                                    const std::vector<float>& w, int64_t out, Accumulate mode) {
    std::vector<float> packed(backend.PackedElements(out, in));
    backend.Pack(w.data(), out, in, packed.data());
    std::vector<float> y(rows * out, 0.5f);
    backend.MatMul({x.data(), rows, in}, {packed.data(), out, in}, {y.data(), rows, out}, mode);
    return y;
  }
};

TEST_P(BackendTest, MatMulAgreesForManyShapes) {
  uint32_t seed = 1;
  for (int64_t rows : {1, 2, 3, 5, 11, 12, 13, 25, 64}) {
    for (int64_t in : {1, 7, 64, 129}) {
      for (int64_t out : {1, 31, 32, 33, 100}) {
        const std::vector<float> x = RandomFloats(rows * in, seed++), w = RandomFloats(out * in, seed++);
        for (Accumulate mode : {Accumulate::kStore, Accumulate::kAdd}) {
          ExpectClose(Product(*cpu_, x, rows, in, w, out, mode), Product(*reference_, x, rows, in, w, out, mode),
                      "product");
        }
      }
    }
  }
}

TEST_P(BackendTest, ARowOfAProductHasTheSameBitsInEveryBatch) {
  const int64_t in = 320, out = 200, rows = 64;
  const std::vector<float> x = RandomFloats(rows * in, 1), w = RandomFloats(out * in, 2);
  const std::vector<float> whole = Product(*cpu_, x, rows, in, w, out, Accumulate::kStore);
  for (int64_t begin = 0; begin < rows; begin += 7) {
    for (int64_t count : {1, 2, 6, 13}) {
      if (begin + count > rows) continue;
      const std::vector<float> part(x.begin() + begin * in, x.begin() + (begin + count) * in);
      const std::vector<float> y = Product(*cpu_, part, count, in, w, out, Accumulate::kStore);
      ASSERT_TRUE(std::equal(y.begin(), y.end(), whole.begin() + begin * out)) << begin << " + " << count;
    }
  }
}

TEST_P(BackendTest, MatMulLeavesNeighboursOfAStridedResultAlone) {
  const int64_t rows = 3, in = 8, out = 5, stride = 9;
  std::vector<float> x = RandomFloats(rows * in, 1), w = RandomFloats(out * in, 2);
  std::vector<float> packed(cpu_->PackedElements(out, in));
  cpu_->Pack(w.data(), out, in, packed.data());
  std::vector<float> y(rows * stride, 42.0f);
  cpu_->MatMul({x.data(), rows, in}, {packed.data(), out, in}, {y.data(), rows, stride}, Accumulate::kStore);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = out; c < stride; ++c) EXPECT_EQ(y[r * stride + c], 42.0f);
  }
}

TEST_P(BackendTest, RmsNormAgrees) {
  for (int64_t dim : {1, 5, 16, 40, 257}) {
    std::vector<float> x = RandomFloats(3 * dim, 1), gain = RandomFloats(dim, 2), a(3 * dim), b(3 * dim);
    cpu_->RmsNorm({x.data(), 3, dim}, dim, gain.data(), 1e-6f, {a.data(), 3, dim});
    reference_->RmsNorm({x.data(), 3, dim}, dim, gain.data(), 1e-6f, {b.data(), 3, dim});
    ExpectClose(a, b, "norm");
  }
}

TEST_P(BackendTest, ActivationsAgreeGatedAndPlain) {
  for (Activation activation : {Activation::kRelu, Activation::kGeluNew, Activation::kGelu, Activation::kSilu}) {
    for (int64_t dim : {1, 16, 37}) {
      std::vector<float> gate = RandomFloats(2 * dim, 1), up = RandomFloats(2 * dim, 2), a(2 * dim), b(2 * dim);
      for (float& value : gate) value *= 4.0f;
      for (bool gated : {true, false}) {
        const Rows gates{gate.data(), 2, dim}, ups = gated ? Rows{up.data(), 2, dim} : Rows{};
        cpu_->Activate(activation, gates, ups, dim, {a.data(), 2, dim});
        reference_->Activate(activation, gates, ups, dim, {b.data(), 2, dim});
        ExpectClose(a, b, "activation");
      }
    }
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

INSTANTIATE_TEST_SUITE_P(Threads, BackendTest, testing::Values(1, 3));

}  // namespace
}  // namespace trimtab
