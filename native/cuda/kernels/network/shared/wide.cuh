// A stored element as a number of the arithmetic.
#pragma once
#include "cuda/convert.cuh"
#include "cuda/device/load.cuh"

namespace orthokit::cuda {

template <class S>
__device__ __forceinline__ Wide<S> wide(S x) {
  return convert<Wide<S>>(x);
}

}  // namespace orthokit::cuda
