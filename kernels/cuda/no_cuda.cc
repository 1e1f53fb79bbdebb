// In place of the CUDA backend where there was no nvcc, or nobody wanted it.
#include "kernels/cuda/cuda_backend.h"

namespace trimtab {

absl::StatusOr<std::unique_ptr<Backend>> NewCudaBackend(int) {
  return absl::UnimplementedError(
      "this program was built without CUDA; install nvcc, configure with -DTRIMTAB_CUDA=ON and build again, or choose "
      "device \"cpu\"");
}

}  // namespace trimtab
