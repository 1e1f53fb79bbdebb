#include "kernels/cuda/launch.h"
#include "kernels/cuda/rows.h"

namespace trimtab::cuda {
namespace {

constexpr int kThreads = 256;

// One block per row; reads it twice, the second time from the first cache, and writes it once.
__global__ void __launch_bounds__(kThreads) NormRows(Rows x, int64_t dim, const float* gain, float epsilon, Rows y) {
  const float* const from = x.data + blockIdx.x * x.stride;
  float* const to = y.data + blockIdx.x * y.stride;
  float squares = 0.0f;
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) squares = fmaf(from[i], from[i], squares);
  const float mean = BlockSum(squares, SharedMemory<float>()) / static_cast<float>(dim);
  const float scale = 1.0f / sqrtf(mean + epsilon);
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) to[i] = from[i] * scale * gain[i];
}

__global__ void __launch_bounds__(kThreads) ScatterRows(Rows rows, int64_t dim, float* const* destinations) {
  const float* const from = rows.data + blockIdx.x * rows.stride;
  float* const to = destinations[blockIdx.x];
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) to[i] = from[i];
}

}  // namespace

void RmsNorm(Rows x, int64_t dim, const float* gain, float epsilon, Rows y, Queue queue) {
  if (x.count == 0) return;
  const Launch launch{dim3(static_cast<unsigned>(x.count)), kThreads, kThreads / kWarpSize * sizeof(float), queue};
  launch(NormRows, x, dim, gain, epsilon, y);
}

void Scatter(Rows rows, int64_t dim, float* const* destinations, Queue queue) {
  if (rows.count == 0) return;
  Launch{dim3(static_cast<unsigned>(rows.count)), kThreads, 0, queue}(ScatterRows, rows, dim, destinations);
}

}  // namespace trimtab::cuda
