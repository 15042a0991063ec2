// The least squares of one signal on the atoms that a pursuit has chosen, by one block.
#pragma once
#include "cuda/device/fused.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/groups.cuh"
#include "cuda/stream.h"
#include "ops/pursuit/shared/pursuit.h"

namespace orthokit::cuda {

// L Lᵀ = G[I, I], L z = p₀[I], Lᵀ w = z, in f64; L is packed by rows. Every thread of the block calls
// each function, with the same `count`, and none returns before its results are there for all.
class Support {
 public:
  // `state` has support_doubles(most), of which those of `count` atoms are there when a function is
  // called; `columns` is scratch memory, 2 `most`.
  __device__ Support(double* state, double* columns, int64_t most)
      : z_(state), factor_(z_ + most), w_(columns), g_(w_ + most) {}

  __device__ double* w() const { return w_; }
  // Where the Gram column of the next atom is written, or what `correct` takes.
  __device__ double* column() const { return g_; }

  // The squared distance of the next atom to the span of `count`.
  __device__ double distance(int64_t count, double square) const {
    forward(count, g_);
    return square - dot(g_, g_, count);
  }
  // Takes the atom that `distance` was asked of; returns the square of its share of the signal.
  __device__ double append(int64_t count, double correlation, double distance) const {
    double* l = row(count);
    const double inverse = 1 / sqrt(distance), z = (correlation - dot(g_, z_, count)) * inverse;
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) l[i] = g_[i];
    __syncthreads();  // z has been read
    if (threadIdx.x == 0) l[count] = inverse, z_[count] = z;
    __syncthreads();
    return z * z;
  }
  __device__ void solve(int64_t count) const {
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) w_[i] = z_[i];
    backward(count, w_);
  }
  // w += G[I, I]⁻¹ column.
  __device__ void correct(int64_t count) const {
    forward(count, g_);
    backward(count, g_);
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) w_[i] += g_[i];
    __syncthreads();
  }

  template <class X, class Y>
  static __device__ double dot(const X* x, const Y* y, int64_t count) {
    double sum = 0;
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x)
      sum = fused(double(x[i]), double(y[i]), sum);
    return block_reduce<Sum>(sum);
  }
  // out[i] = atom(i) · x for i < count, a warp each.
  template <class Atom, class X>
  static __device__ void dots(int64_t count, Atom&& atom, const X* x, int64_t size, double* out) {
    __syncthreads();  // x is complete
    const int lane = int(threadIdx.x) % 32;
    for (int64_t i = int(threadIdx.x) / 32; i < count; i += warps_of_block()) {
      const auto* values = atom(i);
      double sum = 0;
      for (int64_t j = lane; j < size; j += 32) sum = fused(double(values[j]), double(x[j]), sum);
      sum = warp_reduce<Sum>(sum);
      if (lane == 0) out[i] = sum;
    }
  }

 private:
  __device__ double* row(int64_t i) const { return factor_ + i * (i + 1) / 2; }
  // x ← x · inverse, by the first lane; every lane gets it.
  __device__ static double settle(double& x, double inverse) {
    double xi = 0;
    if (threadIdx.x == 0) x = xi = x * inverse;
    return __shfl_sync(kFullWarp, xi, 0);
  }
  // By the first warp: each step waits for the one before.
  __device__ void forward(int64_t count, double* x) const {
    __syncthreads();  // x is complete
    const int lane = int(threadIdx.x);
    if (lane < 32)
      for (int64_t i = 0; i < count; ++i) {
        const double xi = settle(x[i], row(i)[i]);
        for (int64_t s = i + 1 + lane; s < count; s += 32) x[s] = fused(-row(s)[i], xi, x[s]);
        __syncwarp();
      }
    __syncthreads();
  }
  __device__ void backward(int64_t count, double* x) const {
    __syncthreads();  // x is complete
    const int lane = int(threadIdx.x);
    if (lane < 32)
      for (int64_t i = count - 1; i >= 0; --i) {
        const double* l = row(i);
        const double xi = settle(x[i], l[i]);
        for (int64_t s = lane; s < i; s += 32) x[s] = fused(-l[s], xi, x[s]);
        __syncwarp();
      }
    __syncthreads();
  }

  double *z_, *factor_, *w_, *g_;
};

// A signal, and the atoms that it is made of.
template <class T>
struct Fit {
  const T *atoms, *signal;
  int64_t depth;
  const int32_t* indices;
  double* residual;  // scratch

  __device__ const T* atom(int64_t i) const { return atoms + indices[i] * depth; }

  // Refines the support's w, rounds it into `w`, and returns |y − Dᵀ w|² of that.
  __device__ double measure(const Support& support, int64_t count, int64_t refinements,
                            T* w) const {
    for (int64_t step = 0; step < refinements; ++step) {
      subtract(support.w(), count);
      Support::dots(
          count, [&](int64_t i) { return atom(i); }, residual, depth, support.column());
      support.correct(count);
    }
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) w[i] = T(support.w()[i]);
    subtract(w, count);
    return Support::dot(residual, residual, depth);
  }

 private:
  template <class W>
  __device__ void subtract(const W* w, int64_t count) const {
    __syncthreads();  // w is complete, and the residual before has been read
    for (int64_t j = threadIdx.x; j < depth; j += blockDim.x) {
      double r = double(signal[j]);
      for (int64_t i = 0; i < count; ++i) r = fused(-double(w[i]), double(atom(i)[j]), r);
      residual[j] = r;
    }
    __syncthreads();
  }
};

// Where a block keeps numbers: in shared memory where they fit, else in its part of `scratch`.
struct BlockMemory {
  static constexpr size_t kMost = 40 << 10;  // leaves room for reductions
  double* scratch;
  int64_t each;
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
