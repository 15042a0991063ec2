// One block works on one matrix.
#pragma once
#include "cuda/device/fused.cuh"
#include "cuda/kernels/pursuit/shared/support.cuh"
#include "cuda/kernels/reductions/shared/reduction.cuh"
#include "cuda/launch.cuh"
#include "ops/dense/shared/jacobi.h"

namespace orthokit::cuda {

inline constexpr int kDenseThreads = 256, kDenseWarps = kDenseThreads / kWarp;

// So many that each has its part of scratch memory, `bytes` of it.
inline unsigned dense_blocks(int64_t batch, int64_t bytes) {
  constexpr int64_t kMostBlocks = 2048, kMostScratch = int64_t(1) << 28;
  const int64_t fitting = kMostScratch / (bytes < 1 ? 1 : bytes);
  const int64_t most = fitting < 1 ? 1 : fitting < kMostBlocks ? fitting : kMostBlocks;
  return unsigned(batch < most ? batch : most);
}

// f(i) for i < count, dealt to the threads of the block.
template <class F>
__device__ __forceinline__ void by_thread(int64_t count, F&& f) {
  for (int64_t i = threadIdx.x; i < count; i += kDenseThreads) f(i);
}
// The same for its warps: every lane calls f(i, lane).
template <class F>
__device__ __forceinline__ void by_warp(int64_t begin, int64_t end, F&& f) {
  for (int64_t i = begin + int(threadIdx.x) / kWarp; i < end; i += kDenseWarps)
    f(i, int(threadIdx.x) % kWarp);
}

// The largest |x(i)|, for all threads; NaN if one is.
template <class F>
__device__ double largest_of_block(int64_t count, F&& x) {
  double largest = 0;
  by_thread(count, [&](int64_t i) {
    const double value = double(x(i));
    largest = Larger::combine(largest, value < 0 ? -value : value);
  });
  return block_reduce<Larger>(largest);
}

template <class T, class S>
__device__ __forceinline__ T warp_dot(const T* x, const S* y, int64_t begin, int64_t end,
                                      int lane) {
  T sum = 0;
  for (int64_t i = begin + lane; i < end; i += kWarp) sum = fused(x[i], T(y[i]), sum);
  return warp_reduce<Sum>(sum);
}

// 1 or −1, by which a vector's sign is as the operations say; for all lanes.
template <class T>
__device__ T sign_of_warp(const T* x, int64_t size, int lane) {
  T largest = 0;
  for (int64_t i = lane; i < size; i += kWarp) {
    const T entry = x[i] < 0 ? -x[i] : x[i];
    if (entry > largest) largest = entry;
  }
  const T near = T(kNearLargest) * warp_reduce<Max>(largest);
  double first = -double(size);
  for (int64_t i = size - 1 - lane; i >= 0; i -= kWarp)
    if ((x[i] < 0 ? -x[i] : x[i]) >= near) first = -double(i);
  first = warp_reduce<Max>(first);
  return first > -double(size) && x[int64_t(-first)] < 0 ? T(-1) : T(1);
}

// The length of a vector, by a warp: what sums in f64 round, and one rounding.
template <class T>
__device__ T norm_of_warp(const T* x, int64_t size, int lane) {
  double sum = 0;
  for (int64_t j = lane; j < size; j += kWarp) sum = fused(double(x[j]), double(x[j]), sum);
  return T(sqrt(warp_reduce<Sum>(sum)));
}

// The place of the i-th of n numbers once they are sorted, equals in their order.
template <class T>
__device__ int64_t rank_of(const T* x, int64_t n, int64_t i, bool is_ascending) {
  int64_t rank = 0;
  for (int64_t j = 0; j < n; ++j)
    rank += (is_ascending ? x[j] < x[i] : x[j] > x[i]) || (x[j] == x[i] && j < i);
  return rank;
}

}  // namespace orthokit::cuda
