// Every operation of the CUDA backend agrees with the reference backend, and no result depends on the batch.
#include "kernels/cuda/cuda_backend.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/cuda_emulation/device_memory.h"
#include "tests/kernels/cuda/device_rows.h"
#include "tests/kernels/product_cases.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

// Runs on both and compares.
template <typename Run>
void ExpectAgrees(Run run, double tolerance) {
  const std::unique_ptr<Backend> cuda = NewCudaBackend(0).value(), reference = NewReferenceBackend();
  ExpectClose(run(*cuda), run(*reference), tolerance);
}

TEST(CudaBackendTest, RmsNormAgrees) {
  for (int64_t dim : {1, 5, 31, 32, 33, 255, 257, 600}) {
    ExpectAgrees(
        [&](Backend& backend) {
          DeviceRows x(backend, RandomFloats(3 * dim, 1), dim), gain(backend, RandomFloats(dim, 2), dim);
          backend.RmsNorm(x.rows(), dim, gain.data(), 1e-6f, x.rows());
          return x.values();
        },
        1e-5);
  }
}

TEST(CudaBackendTest, EncoderAttentionAgreesOnRaggedSequences) {
  const int32_t heads = 3, reach = 20;
  const int64_t rows = 64;
  for (int32_t dim : {5, 16, 33, 64, 150}) {
    ExpectAgrees(
        [&](Backend& backend) {
          const int64_t inner = heads * dim;
          DeviceRows table(backend, RandomFloats(heads * (2 * reach + 1), 9), 1);
          DeviceRows q(backend, RandomFloats(rows * inner, 1), inner), k(backend, RandomFloats(rows * inner, 2), inner);
          DeviceRows v(backend, RandomFloats(rows * inner, 3), inner);
          DeviceRows out(backend, std::vector<float>(rows * inner, 42.0f), inner);
          const RelativeBias bias{table.data(), reach};
          const std::vector<EncoderSequence> sequences = {{0, 1, bias}, {1, 50, bias}, {51, 6, {}}, {57, 7, bias}};
          backend.Attend(EncoderAttention{q.rows(), k.rows(), v.rows(), out.rows(), heads, dim, sequences});
          return out.values();
        },
        5e-5);
  }
}

TEST(CudaBackendTest, DecodeAttentionAgreesAtEveryLength) {
  const int32_t heads = 2, reach = 8, rows = 40;
  for (int32_t dim : {12, 64}) {
    ExpectAgrees(
        [&](Backend& backend) {
          const int64_t inner = heads * dim;
          DeviceRows table(backend, RandomFloats(heads * (2 * reach + 1), 9), 1);
          DeviceRows q(backend, RandomFloats(rows * inner, 1), inner), out(backend, q.values(), inner);
          DeviceRows keys(backend, RandomFloats(rows * inner, 2), inner);
          DeviceRows values(backend, RandomFloats(rows * inner, 3), inner);
          std::vector<DecodeQuery> queries;
          for (int32_t length = 1; length <= rows; ++length) {
            const RelativeBias bias = length % 3 == 0 ? RelativeBias{} : RelativeBias{table.data(), reach};
            queries.push_back({keys.data(), values.data(), inner, length, length - 1, bias});
          }
          backend.Attend(DecodeAttention{q.rows(), out.rows(), heads, dim, queries});
          return out.values();
        },
        1e-5);
  }
}

TEST(CudaBackendTest, AttentionWithLargeScoresStaysFinite) {
  ExpectAgrees(
      [](Backend& backend) {
        std::vector<float> large = RandomFloats(20 * 16, 1);
        for (float& value : large) value *= 100.0f;
        DeviceRows q(backend, large, 16), k(backend, large, 16), v(backend, RandomFloats(20 * 16, 2), 16);
        DeviceRows out(backend, large, 16);
        const EncoderSequence all{0, 20, {}};
        backend.Attend(EncoderAttention{q.rows(), k.rows(), v.rows(), out.rows(), 1, 16, {&all, 1}});
        return out.values();
      },
      1e-5);
}

TEST(CudaBackendTest, ScatterPutsEachRowInItsPlaceAndLeavesTheRestAlone) {
  for (int64_t count : {1, 3, 4100}) {
    ExpectAgrees(
        [&](Backend& backend) {
          DeviceRows rows(backend, RandomFloats(count * 3, 1), 3);
          DeviceRows out(backend, std::vector<float>(count * 5, 42.0f), 5);
          std::vector<float*> destinations;
          for (int64_t i = 0; i < count; ++i) destinations.push_back(out.rows().row(count - 1 - i) + 1);
          backend.Scatter(rows.rows(), 3, destinations);
          return out.values();
        },
        0.0);
  }
}

TEST(CudaBackendTest, CopiesFromTheHostTakeWhatWasThereWhenTheyWereAskedFor) {
  const std::unique_ptr<Backend> cuda = NewCudaBackend(0).value();
  DeviceRows rows(*cuda, std::vector<float>(4, 0.0f), 4);
  std::vector<float> host = {1, 2, 3, 4};
  cuda->Copy(host.data(), 4, rows.data());
  host.assign(4, -1.0f);
  EXPECT_EQ(rows.values(), (std::vector<float>{1, 2, 3, 4}));
}

TEST(CudaBackendTest, MemoryThatRunsOutIsAStatusAndComesBack) {
  const std::unique_ptr<Backend> cuda = NewCudaBackend(0).value();
  EXPECT_EQ(cuda->Allocate(int64_t{1} << 40).status().code(), absl::StatusCode::kResourceExhausted);
  std::vector<Buffer> buffers;
  for (;;) {
    absl::StatusOr<Buffer> buffer = cuda->Allocate(int64_t{32} << 20);
    if (!buffer.ok()) break;
    buffers.push_back(*std::move(buffer));
  }
  EXPECT_GT(buffers.size(), 0u);
  buffers.clear();
  EXPECT_TRUE(cuda->Allocate(int64_t{48} << 20).ok()) << "kept blocks of another size must make room";
}

TEST(CudaBackendTest, WithoutPageLockedMemoryResultsComeToTheHostAllTheSame) {
  const std::unique_ptr<Backend> backend = NewCudaBackend(0).value();
  const std::vector<float> values = RandomFloats(3000, 5);
  DeviceRows few(*backend, {1.0f, 2.0f}, 2), many(*backend, values, 1);
  EXPECT_EQ(few.values(), std::vector<float>({1.0f, 2.0f}));
  cuda_emulation::SetPinnedMemoryLeft(0);
  EXPECT_EQ(many.values(), values);
  EXPECT_EQ(few.values(), std::vector<float>({1.0f, 2.0f}));
  cuda_emulation::SetPinnedMemoryLeft(size_t{1} << 30);
  EXPECT_EQ(many.values(), values);
}

TEST(CudaBackendTest, WithoutPageLockedMemoryForItsTablesThereIsNoBackend) {
  cuda_emulation::SetPinnedMemoryLeft(1000);
  EXPECT_EQ(NewCudaBackend(0).status().code(), absl::StatusCode::kResourceExhausted);
  cuda_emulation::SetPinnedMemoryLeft(size_t{1} << 30);
  EXPECT_TRUE(NewCudaBackend(0).ok());
}

TEST(CudaBackendTest, ABufferOutlivesItsBackend) {
  Buffer buffer;
  {
    const std::unique_ptr<Backend> cuda = NewCudaBackend(0).value();
    buffer = cuda->Allocate(100).value();
  }
}

TEST(CudaBackendTest, WhatIsDroppedWhileKernelsReadItIsNotGivenToOthers) {
  const std::unique_ptr<Backend> cuda = NewCudaBackend(0).value();
  DeviceRows out(*cuda, std::vector<float>(64), 1);
  for (int i = 0; i < 20; ++i) {
    {
      DeviceRows dropped(*cuda, std::vector<float>(64, static_cast<float>(i)), 1);
      cuda->Copy(dropped.data(), 64, out.data());
    }
    DeviceRows other(*cuda, std::vector<float>(64, -1.0f), 1);  // Uploaded on another stream.
    ASSERT_EQ(out.values(), std::vector<float>(64, static_cast<float>(i)));
  }
}

TEST(CudaBackendTest, NamesADeviceThatIsNotThere) {
  EXPECT_EQ(NewCudaBackend(7).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(NewBackend("cuda:x", 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(NewBackend("cuda:7", 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(NewBackend("auto", 1).value()->name(), "cuda");
}

}  // namespace
}  // namespace trimtab
