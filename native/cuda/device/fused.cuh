// a · b + c, rounded once.
#pragma once
#include <cuda_runtime.h>

namespace orthokit::cuda {

__device__ __forceinline__ float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double fused(double a, double b, double c) { return fma(a, b, c); }

}  // namespace orthokit::cuda
