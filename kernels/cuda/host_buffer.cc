#include "kernels/cuda/host_buffer.h"

#include <cuda_runtime.h>

#include "kernels/cuda/check.h"

namespace trimtab::cuda {

float* HostBuffer::Take(int64_t elements) {
  if (elements > elements_) {
    Release();
    void* data = nullptr;
    const cudaError_t error = cudaMallocHost(&data, elements * sizeof(float));
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // Or the next launch would be blamed for it.
      ordinary_ = std::make_unique_for_overwrite<float[]>(elements);
    } else {
      Check(error, "allocating page-locked memory");
      locked_ = static_cast<float*>(data);
    }
    elements_ = elements;
  }
  return locked_ != nullptr ? locked_ : ordinary_.get();
}

void HostBuffer::Release() {
  if (locked_ != nullptr) Check(cudaFreeHost(locked_), "freeing page-locked memory");
  locked_ = nullptr;
  ordinary_ = nullptr;
  elements_ = 0;
}

}  // namespace trimtab::cuda
