// The stand-ins of the tensor cores' instructions against sums written out, operands placed as the PTX manual draws
// them.
#include "kernels/cuda/mma.h"

#include <cuda_runtime.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/launch.h"

namespace trimtab::cuda {
namespace {

int8_t A(int row, int k) { return static_cast<int8_t>(row * 7 + k * 3 - 60); }
int8_t B(int k, int column) { return static_cast<int8_t>(k * 5 - column * 11 + 20); }

uint32_t Pack(const int8_t (&values)[4]) {
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word |= uint32_t{static_cast<uint8_t>(values[i])} << 8 * i;
  return word;
}

// m16n8k32, figures "MMA .m16n8k32 fragment layout" for .s8.
void MultiplyInt8(int32_t* out) {
  const int lane = LaneOf(), group = lane / 4, in_group = lane % 4;
  uint32_t a[4], b[2];
  for (int i = 0; i < 16; i += 4) {
    const int row = i < 4 || (i >= 8 && i < 12) ? group : group + 8;
    int8_t values[4];
    for (int j = 0; j < 4; ++j) values[j] = A(row, in_group * 4 + j + (i < 8 ? 0 : 16));
    a[i / 4] = Pack(values);
  }
  for (int i = 0; i < 8; i += 4) {
    int8_t values[4];
    for (int j = 0; j < 4; ++j) values[j] = B(in_group * 4 + j + (i < 4 ? 0 : 16), group);
    b[i / 4] = Pack(values);
  }
  int32_t d[4] = {1, 1, 1, 1};
  MultiplyAddInt8(a, b, d);
  for (int i = 0; i < 4; ++i) out[(i < 2 ? group : group + 8) * 8 + in_group * 2 + i % 2] = d[i];
}

TEST(MmaTest, Int8IsTheSumWrittenOut) {
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  int32_t* out;
  cudaMalloc(reinterpret_cast<void**>(&out), 128 * sizeof(int32_t));
  Launch{dim3(1), 32, 0, stream}(MultiplyInt8, out);
  std::vector<int32_t> d(128);
  cudaMemcpyAsync(d.data(), out, 128 * sizeof(int32_t), cudaMemcpyDeviceToHost, stream);
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      int32_t sum = 1;
      for (int k = 0; k < 32; ++k) sum += A(row, k) * B(k, column);
      EXPECT_EQ(d[row * 8 + column], sum) << row << ", " << column;
    }
  }
  cudaFree(out);
  cudaStreamDestroy(stream);
}

}  // namespace
}  // namespace trimtab::cuda
