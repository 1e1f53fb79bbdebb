#include "kernels/cuda/check.h"

#include <cstdio>
#include <cstdlib>

namespace trimtab::cuda {

void Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "CUDA failed while %s: %s. Nothing that the device computes can be trusted now; start again\n",
               what, cudaGetErrorString(error));
  std::abort();
}

}  // namespace trimtab::cuda
