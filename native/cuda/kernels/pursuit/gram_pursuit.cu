#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/kernels/pursuit/shared/choice.cuh"
#include "cuda/launch.cuh"
#include "ops/pursuit/gram_pursuit.h"

namespace orthokit::cuda {

inline constexpr int kPursuitThreads = 256;

template <class T>
struct GramPursuitWork {
  const T *correlations, *gram, *scales, *atoms, *signals;
  const double *squares, *energies;
  int32_t *indices, *counts;
  T *coefficients, *residuals;
  int64_t batch, n, k, depth;
  PursuitLimits limits;
  BlockMemory memory;  // what Support takes, and a residual
};

// One signal's pursuit, by one block: all threads hold the same numbers, and call every function.
template <class T>
class GramPursuitBlock {
 public:
  __device__ GramPursuitBlock(const GramPursuitWork<T>& work, double* memory, double largest)
      : work_(work),
        largest_(largest),
        support_(memory, memory + support_doubles(work.k), work.k),
        residual_(memory + support_doubles(work.k) + 2 * work.k) {}

  __device__ void run(int64_t signal) {
    signal_ = signal;
    support_.clear();
    p_ = work_.correlations + signal * work_.n;
    indices_ = work_.indices + signal * work_.k;
    w_ = work_.coefficients + signal * work_.k;
    const double whole = work_.energies ? work_.energies[signal] : double(NAN);
    double energy = whole;
    const double target = work_.limits.target(whole);
    T floor = 0;
    while (support_.count() < work_.k && !(energy <= target)) {
      BestAtom<T> best;
      if (!choose(floor, best)) break;
      if (support_.count() == 0) {
        floor =
            T(work_.limits.floor * (work_.energies ? sqrt(whole) * largest_ : double(best.score)));
        if (!(best.score > floor)) break;
      }
      if (threadIdx.x == 0) indices_[support_.count()] = best.index;
      energy -= support_.append(double(p_[best.index]), distance_);
      support_.solve();
      store();
      if (energy <= target && work_.atoms) energy = measured();
    }
    finish(energy);
  }

 private:
  __device__ bool choose(T floor, BestAtom<T>& best) {
    return choose_atom(
        support_, {work_.squares, work_.limits}, indices_, floor,
        [&](const Masked& masked) { return sweep(masked); },
        [&](int64_t atom) {
          const T* row = work_.gram + atom * work_.n;
          for (int64_t i = threadIdx.x; i < support_.count(); i += kPursuitThreads)
            support_.column()[i] = double(row[indices_[i]]);
        },
        best, distance_);
  }

  __device__ BestAtom<T> sweep(const Masked& masked) const {
    BestAtom<T> best;
    on_group(work_.n, [&]<int N>() {
      for (int64_t at = int64_t(threadIdx.x) * N; at < work_.n; at += kPursuitThreads * N) {
        Group<T, N> p = load_group<N>(p_, at);
#pragma unroll 2
        for (int64_t i = 0; i < support_.count(); ++i) {
          const auto g = load_group<N>(work_.gram + indices_[i] * work_.n, at);
          const T w = -w_[i];
#pragma unroll
          for (int k = 0; k < N; ++k) p.of[k] = fused(w, g.of[k], p.of[k]);
        }
#pragma unroll
        for (int k = 0; k < N; ++k) {
          const T size = p.of[k] < 0 ? -p.of[k] : p.of[k];
          best.look(work_.scales ? size * work_.scales[at + k] : size, at + k, masked);
        }
      }
    });
    return block_best(best);
  }

  __device__ void store() {
    for (int64_t i = threadIdx.x; i < support_.count(); i += kPursuitThreads)
      w_[i] = T(support_.w()[i]);
    __syncthreads();
  }

  __device__ double measured() {
    const Fit<BlockWorkers, T> fit{work_.atoms, work_.signals + signal_ * work_.depth, work_.depth,
                                   indices_, residual_};
    return fit.measure(support_, work_.limits.refinements, w_);
  }

  __device__ void finish(double energy) {
    if (work_.atoms && support_.count() > 0) energy = measured();
    for (int64_t i = support_.count() + threadIdx.x; i < work_.k; i += kPursuitThreads)
      indices_[i] = -1, w_[i] = 0;
    if (threadIdx.x == 0) {
      work_.counts[signal_] = int32_t(support_.count());
      work_.residuals[signal_] = T(sqrt(energy < 0 ? 0 : energy));
    }
    __syncthreads();  // the next signal takes the memory
  }

  const GramPursuitWork<T>& work_;
  const double largest_;
  Support<BlockWorkers> support_;
  double* residual_;
  int64_t signal_ = 0;
  const T* p_ = nullptr;
  int32_t* indices_ = nullptr;
  T* w_ = nullptr;
  double distance_ = 0;  // of the atom that was chosen last, for append
};

template <class T>
__global__ void __launch_bounds__(kPursuitThreads, 2) gram_pursuit_kernel(GramPursuitWork<T> work) {
  GramPursuitBlock<T> block(work, work.memory.of_block(),
                            largest_atom(work.squares, work.scales, work.n));
  for (int64_t signal = blockIdx.x; signal < work.batch; signal += gridDim.x) block.run(signal);
}

static void gram_pursuit(const GramPursuit& op, Stream& stream) {
  const int64_t batch = op.indices.shape[0], k = op.indices.shape[1];
  if (batch == 0) return;
  const int64_t depth = op.atoms ? op.atoms.shape[1] : 0, each = support_doubles(k) + 2 * k + depth;
  const int64_t blocks = BlockMemory::blocks_for(each, batch);
  visit(op.gram.dtype, [&]<class T>() {
    const GramPursuitWork<T> work{op.correlations.as<T>(),
                                  op.gram.as<T>(),
                                  op.scales.as<T>(),
                                  op.atoms.as<T>(),
                                  op.signals.as<T>(),
                                  op.squares.as<double>(),
                                  op.energies.as<double>(),
                                  op.indices.as<int32_t>(),
                                  op.counts.as<int32_t>(),
                                  op.coefficients.as<T>(),
                                  op.residuals.as<T>(),
                                  batch,
                                  op.correlations.shape[1],
                                  k,
                                  depth,
                                  op.limits,
                                  {stream, each, blocks}};
    launch(stream, gram_pursuit_kernel<T>,
           {unsigned(blocks), kPursuitThreads, work.memory.shared_bytes()}, work);
  });
}
ORTHOKIT_KERNEL(GramPursuit, gram_pursuit);

}  // namespace orthokit::cuda
