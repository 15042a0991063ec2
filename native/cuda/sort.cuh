// A stable radix sort of 32-bit keys that carry their positions, and the sum of a warp by which it
// places them.
#pragma once
#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

// The sum over the lanes before and the own one.
template <class T>
__device__ __forceinline__ T warp_scan(T x, int lane) {
#pragma unroll
  for (int by = 1; by < kWarp; by *= 2) {
    const T other = __shfl_up_sync(kFullWarp, x, unsigned(by));
    if (lane >= by) x += other;
  }
  return x;
}

struct Sorted {
  const uint32_t* keys;     // ascending
  const int64_t* position;  // of each before; ascending among equal keys
};

// `bits`: no key has a bit above them. The number of launches depends on it alone. As scratch
// memory; `keys` stay as they are.
Sorted sort(Stream& stream, const uint32_t* keys, int64_t count, int bits);

}  // namespace orthokit::cuda
