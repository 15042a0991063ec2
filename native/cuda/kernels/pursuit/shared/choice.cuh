// How a pursuit takes its next atom, by one block.
#pragma once
#include "cuda/kernels/pursuit/shared/support.cuh"

namespace orthokit::cuda {

// Atoms that may not be chosen: those that are, and those passed over at this step.
struct Masked {
  const int32_t *chosen, *skipped;
  int64_t count;
  int skips;
  __device__ bool operator()(int64_t atom) const {
    for (int64_t i = 0; i < count; ++i)
      if (chosen[i] == atom) return true;
    for (int i = 0; i < skips; ++i)
      if (skipped[i] == atom) return true;
    return false;
  }
};

// An atom depends on those chosen whose distance² to their span is at most this share of its own
// square: it is passed over, or ends the signal.
struct Dependence {
  const double* squares;
  const PursuitLimits& limits;
};

// The best atom above `floor` that does not depend on those chosen, and its distance², which is for
// Support::append. sweep(masked) finds the best of the others; column(atom) writes its products
// with those chosen to support.column(). Every thread of the block calls it.
template <class T, class Sweep, class Column>
__device__ bool choose_atom(const Support<BlockWorkers>& support, const Dependence& dependence,
                            const int32_t* chosen, T floor, Sweep&& sweep, Column&& column,
                            BestAtom<T>& best, double& distance) {
  __shared__ int32_t skipped[kMostSkips];
  for (int skips = 0; skips < kMostSkips;) {
    best = sweep(Masked{chosen, skipped, support.count(), skips});
    if (!(best.score > floor)) return false;
    column(best.index);
    const double square = dependence.squares[best.index];
    distance = support.distance(square);
    if (distance > dependence.limits.dependence * square) return true;
    if (dependence.limits.stops()) return false;
    if (threadIdx.x == 0) skipped[skips] = best.index;
    ++skips;
    __syncthreads();  // all know it
  }
  return false;
}

}  // namespace orthokit::cuda
