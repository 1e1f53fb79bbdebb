#ifndef TRIMTAB_KERNELS_CUDA_ACTIVATE_H_
#define TRIMTAB_KERNELS_CUDA_ACTIVATE_H_

#include <cuda_runtime.h>

#include <cmath>

#include "kernels/backend.h"

namespace trimtab::cuda {

__device__ inline float Activated(Activation activation, float x) {
  switch (activation) {
    case Activation::kRelu:
      return fmaxf(x, 0.0f);
    case Activation::kGeluNew:
      return 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    case Activation::kGelu:
      return 0.5f * x * (1.0f + erff(x * 0.7071067812f));
    case Activation::kSilu:
      return x / (1.0f + expf(-x));
  }
  return x;
}

}  // namespace trimtab::cuda

#endif  // TRIMTAB_KERNELS_CUDA_ACTIVATE_H_
