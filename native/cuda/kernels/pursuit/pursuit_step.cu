#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/kernels/pursuit/shared/choice.cuh"
#include "cuda/launch.cuh"
#include "ops/pursuit/pursuit_step.h"

namespace orthokit::cuda {

inline constexpr int kStepThreads = 256;

template <class T>
struct PursuitStepWork {
  const T *correlations, *atoms, *signals, *scales;
  const double *squares, *energies;
  T* rests;
  double* left;
  int32_t* indices;
  T* coefficients;
  double* state;
  int32_t* counts;
  int64_t batch, n, depth, k, step;
  PursuitLimits limits;
  BlockMemory memory;  // two columns and a residual
};

// One signal's step, by one block: all threads hold the same numbers, and call every function.
template <class T>
class PursuitStepBlock {
 public:
  __device__ PursuitStepBlock(const PursuitStepWork<T>& work, int64_t signal, double largest,
                              double* scratch)
      : work_(work),
        signal_(signal),
        largest_(largest),
        indices_(work.indices + signal * work.k),
        coefficients_(work.coefficients + signal * work.k),
        fit_{work.atoms, work.signals + signal * work.depth, work.depth, indices_,
             scratch + 2 * work.k},
        support_(work.state + signal * support_doubles(work.k), scratch, work.k, work.step) {}

  __device__ void run() {
    const int64_t step = work_.step;
    const double whole = work_.energies[signal_];
    const double target = work_.limits.target(whole);
    bool goes_on = work_.counts[signal_] == step && !(work_.left[signal_] <= target);
    for (int64_t i = 0; i < step; ++i)
      goes_on = goes_on && indices_[i] >= 0 && indices_[i] < work_.n;
    BestAtom<T> best;
    goes_on = goes_on && choose(T(work_.limits.floor * sqrt(whole) * largest_), best);
    if (!goes_on) return;
    if (threadIdx.x == 0) indices_[step] = best.index;
    __syncthreads();
    support_.append(BlockWorkers::dot(fit_.atom(step), fit_.signal, work_.depth), distance_);
    support_.solve();
    const double left = fit_.measure(support_, work_.limits.refinements, coefficients_);
    T* rest = work_.rests + signal_ * work_.depth;
    for (int64_t j = threadIdx.x; j < work_.depth; j += kStepThreads) rest[j] = T(fit_.residual[j]);
    if (threadIdx.x == 0) {
      work_.left[signal_] = left;
      ++work_.counts[signal_];
    }
    __syncthreads();  // the next signal takes the scratch memory
  }

 private:
  __device__ bool choose(T floor, BestAtom<T>& best) {
    return choose_atom(
        support_, {work_.squares, work_.limits}, indices_, floor,
        [&](const Masked& masked) { return look(masked); },
        [&](int64_t atom) {
          fit_.dots(work_.step, work_.atoms + atom * work_.depth, support_.column());
        },
        best, distance_);
  }

  __device__ BestAtom<T> look(const Masked& masked) const {
    const T* correlations = work_.correlations + signal_ * work_.n;
    BestAtom<T> best;
    on_group(work_.n, [&]<int N>() {
      for (int64_t at = int64_t(threadIdx.x) * N; at < work_.n; at += kStepThreads * N)
        visit_group<N>(
            at,
            [&](int64_t j, T p) {
              const T size = p < 0 ? -p : p;
              best.look(work_.scales ? size * work_.scales[j] : size, j, masked);
            },
            correlations);
    });
    return block_best(best);
  }

  const PursuitStepWork<T>& work_;
  const int64_t signal_;
  const double largest_;
  int32_t* const indices_;
  T* const coefficients_;
  const Fit<BlockWorkers, T> fit_;
  Support<BlockWorkers> support_;
  double distance_ = 0;  // of the atom that was chosen last, for append
};

template <class T>
__global__ void __launch_bounds__(kStepThreads, 2) pursuit_step_kernel(PursuitStepWork<T> work) {
  const double largest = largest_atom(work.squares, work.scales, work.n);
  for (int64_t signal = blockIdx.x; signal < work.batch; signal += gridDim.x)
    PursuitStepBlock<T>(work, signal, largest, work.memory.of_block()).run();
}

static void pursuit_step(const PursuitStep& op, Stream& stream) {
  const int64_t batch = op.indices.shape[0], depth = op.atoms.shape[1];
  if (batch == 0) return;
  const int64_t each = 2 * op.indices.shape[1] + depth;
  const int64_t blocks = BlockMemory::blocks_for(each, batch);
  visit(op.atoms.dtype, [&]<class T>() {
    const PursuitStepWork<T> work{op.correlations.as<T>(),
                                  op.atoms.as<T>(),
                                  op.signals.as<T>(),
                                  op.scales.as<T>(),
                                  op.squares.as<double>(),
                                  op.energies.as<double>(),
                                  op.rests.as<T>(),
                                  op.left.as<double>(),
                                  op.indices.as<int32_t>(),
                                  op.coefficients.as<T>(),
                                  op.state.as<double>(),
                                  op.counts.as<int32_t>(),
                                  batch,
                                  op.correlations.shape[1],
                                  depth,
                                  op.indices.shape[1],
                                  op.step,
                                  op.limits,
                                  {stream, each, blocks}};
    launch(stream, pursuit_step_kernel<T>,
           {unsigned(blocks), kStepThreads, work.memory.shared_bytes()}, work);
  });
}
ORTHOKIT_KERNEL(PursuitStep, pursuit_step);

}  // namespace orthokit::cuda
