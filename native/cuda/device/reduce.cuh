// Reductions: thread, warp, block. The order of additions is fixed by the code.
#pragma once
#include <cmath>

#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

inline constexpr unsigned kFullWarp = 0xffffffffu;
inline constexpr int kMostWarps = 32;  // of a block

struct Sum {
  template <class T>
  static __device__ __forceinline__ T neutral() {
    return T(0);
  }
  template <class T>
  static __device__ __forceinline__ T combine(T a, T b) {
    return a + b;
  }
};
struct Max {  // of numbers: a NaN loses, as with fmax
  template <class T>
  static __device__ __forceinline__ T neutral() {
    return T(-INFINITY);
  }
  static __device__ __forceinline__ float combine(float a, float b) { return fmaxf(a, b); }
  static __device__ __forceinline__ double combine(double a, double b) { return fmax(a, b); }
};

__device__ __forceinline__ int thread_of_block() {
  return int(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
}
__device__ __forceinline__ int warps_of_block() {
  return int((blockDim.x * blockDim.y * blockDim.z + 31) / 32);
}

// Every lane calls it, and every lane gets the result.
template <class R, class T>
__device__ __forceinline__ T warp_reduce(T v) {
#pragma unroll
  for (int lanes = 16; lanes; lanes >>= 1) v = R::combine(v, __shfl_xor_sync(kFullWarp, v, lanes));
  return v;
}

// Every thread of the block calls it, and every thread gets the result. Blocks of whole warps.
template <class R, class T>
__device__ __forceinline__ T block_reduce(T v) {
  __shared__ T parts[kMostWarps];
  v = warp_reduce<R>(v);
  const int thread = thread_of_block();
  __syncthreads();  // an earlier call may still read the parts
  if (thread % 32 == 0) parts[thread / 32] = v;
  __syncthreads();
  v = thread % 32 < warps_of_block() ? parts[thread % 32] : R::template neutral<T>();
  return warp_reduce<R>(v);
}

struct ArgMax {  // the larger value wins, then the lower index
  float value;
  int index;
};
__device__ __forceinline__ ArgMax better(ArgMax a, ArgMax b) {
  return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}
__device__ __forceinline__ ArgMax warp_argmax(ArgMax a) {
#pragma unroll
  for (int lanes = 16; lanes; lanes >>= 1)
    a = better(a, {__shfl_xor_sync(kFullWarp, a.value, lanes),
                   __shfl_xor_sync(kFullWarp, a.index, lanes)});
  return a;
}
__device__ __forceinline__ ArgMax block_argmax(ArgMax a) {
  __shared__ float values[kMostWarps];
  __shared__ int indices[kMostWarps];
  a = warp_argmax(a);
  const int thread = thread_of_block();
  __syncthreads();  // an earlier call may still read them
  if (thread % 32 == 0) {
    values[thread / 32] = a.value;
    indices[thread / 32] = a.index;
  }
  __syncthreads();
  const int warp = thread % 32;
  a = warp < warps_of_block() ? ArgMax{values[warp], indices[warp]} : ArgMax{-INFINITY, 0x7fffffff};
  return warp_argmax(a);
}

}  // namespace orthokit::cuda
