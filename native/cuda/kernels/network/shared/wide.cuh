// The type of the arithmetic on stored elements.
#pragma once
#include "cuda/convert.cuh"

namespace orthokit::cuda {

template <class S>
using Wide = std::conditional_t<std::is_same_v<S, double>, double, float>;
template <class S>
__device__ __forceinline__ Wide<S> wide(S x) {
  return convert<Wide<S>>(x);
}

}  // namespace orthokit::cuda
