#ifndef TRIMTAB_KERNELS_CUDA_CHECK_H_
#define TRIMTAB_KERNELS_CUDA_CHECK_H_

#include <cuda_runtime.h>

namespace trimtab::cuda {

// Ends the process when `error` is one: a device that faulted gives wrong answers from then on, and only a new process
// gets it back. Running out of memory is not such an error; DeviceMemory returns it as a status.
void Check(cudaError_t error, const char* what);

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_CHECK_H_
