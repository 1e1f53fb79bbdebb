// What the sources of the targets name and no target calls: with these, all that loads and runs a model stays out.
#include <cstdlib>

#include "kernels/backend.h"
#include "kernels/cuda/cuda_backend.h"
#include "server/rim/load_model.h"

namespace trimtab {

std::unique_ptr<Backend> NewReferenceBackend() { std::abort(); }
std::unique_ptr<Backend> NewCpuBackend(int, absl::string_view) { std::abort(); }
absl::StatusOr<std::unique_ptr<Backend>> NewCudaBackend(int) { std::abort(); }
SteeringBounds BoundsOf(const ServerOptions&) { std::abort(); }
CoefficientGrid GridOf(const ServerOptions&) { std::abort(); }

}  // namespace trimtab
