// The loops of a pursuit's least squares, by one block.
#pragma once
#include <algorithm>

#include "cuda/device/fused.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/groups.cuh"
#include "cuda/stream.h"
#include "ops/pursuit/shared/support.h"

namespace orthokit::cuda {

// Every thread of the block calls each function.
struct BlockWorkers {
  template <class F>
  static __device__ void each(int64_t n, const F& f) {
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) f(i);
    __syncthreads();
  }
  template <class F>
  static __device__ void once(const F& f) {
    if (threadIdx.x == 0) f();
    __syncthreads();
  }
  template <class X, class Y>
  static __device__ double dot(const X* x, const Y* y, int64_t count) {
    double sum = 0;
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x)
      sum = fused(double(x[i]), double(y[i]), sum);
    return block_reduce<Sum>(sum);
  }
  // A warp each.
  template <class Atoms, class X>
  static __device__ void dots(int64_t count, const Atoms& atoms, const X* x, int64_t size,
                              double* out) {
    __syncthreads();  // x is complete
    const int lane = int(threadIdx.x) % 32;
    for (int64_t i = int(threadIdx.x) / 32; i < count; i += warps_of_block()) {
      const auto* values = atoms.atom(i);
      double sum = 0;
      for (int64_t j = lane; j < size; j += 32) sum = fused(double(values[j]), double(x[j]), sum);
      sum = warp_reduce<Sum>(sum);
      if (lane == 0) out[i] = sum;
    }
  }
  // By the first warp: each step waits for the one before.
  static __device__ void forward(const PackedFactor& factor, int64_t count, double* x) {
    __syncthreads();  // x is complete
    const int lane = int(threadIdx.x);
    if (lane < 32)
      for (int64_t i = 0; i < count; ++i) {
        const double xi = times_inverse(x[i], factor.row(i)[i]);
        for (int64_t s = i + 1 + lane; s < count; s += 32)
          x[s] = fused(-factor.row(s)[i], xi, x[s]);
        __syncwarp();
      }
    __syncthreads();
  }
  static __device__ void backward(const PackedFactor& factor, int64_t count, double* x) {
    __syncthreads();  // x is complete
    const int lane = int(threadIdx.x);
    if (lane < 32)
      for (int64_t i = count - 1; i >= 0; --i) {
        const double* l = factor.row(i);
        const double xi = times_inverse(x[i], l[i]);
        for (int64_t s = lane; s < i; s += 32) x[s] = fused(-l[s], xi, x[s]);
        __syncwarp();
      }
    __syncthreads();
  }
  // The residual is the signal less the atoms' shares, element by element.
  template <class Atoms, class W>
  static __device__ void subtract(const Atoms& fit, const W* w, int64_t count) {
    __syncthreads();  // w is complete, and the residual before has been read
    for (int64_t j = threadIdx.x; j < fit.depth; j += blockDim.x) {
      double r = double(fit.signal[j]);
      for (int64_t i = 0; i < count; ++i) r = fused(-double(w[i]), double(fit.atom(i)[j]), r);
      fit.residual[j] = r;
    }
    __syncthreads();
  }

 private:
  // x ← x · inverse, by the first lane; every lane gets it.
  static __device__ double times_inverse(double& x, double inverse) {
    double xi = 0;
    if (threadIdx.x == 0) x = xi = x * inverse;
    return __shfl_sync(kFullWarp, xi, 0);
  }
};

// Memory of a block: shared memory if the numbers fit, else its part of `scratch`.
struct BlockMemory {
  static constexpr size_t kMost = 40 << 10;  // leaves room for reductions
  double* scratch;
  int64_t each;
  // So many blocks that they fill a device, and that their memory stays small.
  static int64_t blocks_for(int64_t doubles, int64_t signals) {
    constexpr int64_t kMostBlocks = 2048, kMostScratch = int64_t(1) << 28;
    return std::clamp<int64_t>(kMostScratch / (8 * std::max<int64_t>(1, doubles)), 1,
                               std::min(signals, kMostBlocks));
  }
  static bool is_shared(int64_t doubles) { return 8 * uint64_t(doubles) <= kMost; }
  BlockMemory(Stream& stream, int64_t doubles, int64_t blocks)
      : scratch(is_shared(doubles) ? nullptr : stream.scratch<double>(doubles * blocks)),
        each(doubles) {}
  size_t shared_bytes() const { return scratch ? 0 : 8 * size_t(each); }
  __device__ double* of_block() const {
    return scratch ? scratch + blockIdx.x * each : dyn_shared<double>();
  }
};

// The atom that a pursuit chooses: largest score, then lowest index; −1 where no score is above 0.
template <class T>
struct BestAtom {
  T score = 0;
  int32_t index = -1;

  // NaN is never the largest. A thread's indices ascend. Few atoms are so good that it matters
  // whether they may be chosen.
  template <class IsMasked>
  __device__ void look(T other, int64_t at, IsMasked&& is_masked) {
    if (other > score && !is_masked(at)) score = other, index = int32_t(at);
  }
  __device__ void join(const BestAtom& other) {
    const bool lower = other.index >= 0 && (index < 0 || other.index < index);
    if (other.score > score || (other.score == score && lower)) *this = other;
  }
};

template <class T>
__device__ BestAtom<T> warp_best(BestAtom<T> best) {
#pragma unroll
  for (int lanes = 16; lanes; lanes >>= 1)
    best.join({__shfl_xor_sync(kFullWarp, best.score, lanes),
               __shfl_xor_sync(kFullWarp, best.index, lanes)});
  return best;
}

// Every thread of the block calls it, and gets the result.
template <class T>
__device__ BestAtom<T> block_best(BestAtom<T> best) {
  __shared__ T scores[kMostWarps];
  __shared__ int32_t indices[kMostWarps];
  best = warp_best(best);
  const int thread = thread_of_block();
  __syncthreads();  // an earlier call may still read them
  if (thread % 32 == 0) scores[thread / 32] = best.score, indices[thread / 32] = best.index;
  __syncthreads();
  best = {};
  if (thread % 32 < warps_of_block()) best = {scores[thread % 32], indices[thread % 32]};
  return warp_best(best);
}

// maxⱼ sⱼ |dⱼ|, of the squares |dⱼ|². Every thread of the block calls it, and gets the result.
template <class T>
__device__ double largest_atom(const double* squares, const T* scales, int64_t count) {
  double largest = 0;
  for (int64_t j = threadIdx.x; j < count; j += blockDim.x) {
    const double length = sqrt(squares[j]) * (scales ? double(scales[j]) : 1);
    if (length > largest) largest = length;
  }
  return block_reduce<Max>(largest);
}

}  // namespace orthokit::cuda
