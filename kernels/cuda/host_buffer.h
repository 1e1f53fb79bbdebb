#ifndef TRIMTAB_KERNELS_CUDA_HOST_BUFFER_H_
#define TRIMTAB_KERNELS_CUDA_HOST_BUFFER_H_

#include <cstdint>
#include <memory>

namespace trimtab::cuda {

// Memory of the host that copies from the device go to: page-locked, or ordinary where there is no more of that, which
// takes a detour and gives the same. For one thread.
class HostBuffer {
 public:
  HostBuffer() = default;
  ~HostBuffer() { Release(); }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;

  // Room for so many. What it held is lost where it must grow. REQUIRES: no copy is under way.
  float* Take(int64_t elements);

 private:
  void Release();

  float* locked_ = nullptr;
  std::unique_ptr<float[]> ordinary_;
  int64_t elements_ = 0;
};

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_HOST_BUFFER_H_
