// The exponential of softmax and GELU.
#pragma once
#include "cuda/device/launch.cuh"
#include "math/exp.h"

namespace orthokit::cuda {

// exp(x) for x ≤ 0; 0 below −708, where the result would be subnormal; NaN for NaN.
__device__ __forceinline__ double exp_of_negative(double x) {
  return x < math::kLeastExponent ? 0 : exp(x);
}

}  // namespace orthokit::cuda
