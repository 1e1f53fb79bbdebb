#ifndef TRIMTAB_KERNELS_CUDA_CUDA_BACKEND_H_
#define TRIMTAB_KERNELS_CUDA_CUDA_BACKEND_H_

#include <memory>

#include "absl/status/statusor.h"
#include "kernels/backend.h"

namespace trimtab {

// Computes on GPU `device` (0, 1, ...). NotFound without such a device, FailedPrecondition if it is too old,
// Unimplemented in a build without CUDA, ResourceExhausted if its memory is taken.
absl::StatusOr<std::unique_ptr<Backend>> NewCudaBackend(int device);

}  // namespace trimtab

#endif  // TRIMTAB_KERNELS_CUDA_CUDA_BACKEND_H_
