#include "cuda/kernels/optimizers/shared/adam.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "cuda/matrix.cuh"
#include "math/roots.h"
#include "math/rounding.h"
#include "ops/optimizers/adam_in_basis.h"

namespace orthokit::cuda {

static __global__ void __launch_bounds__(kThreads)
    rounding_floors_kernel(const double* squares, int64_t count, double least, double* floors) {
  const int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) floors[i] = math::rounding_floor(squares[i], least);
}

template <class T>
struct AdamInBasisRow {
  const T *momentum, *grad;
  T* out;
  const Operand* roots;
  const double *floors, *guard;
  const math::BiasCorrections* correction;
  MovingAverage two;
  double eps;
  int64_t rows, columns;
  bool by_row;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const int64_t begin = row * columns + at;
    if (is_held(guard)) {
#pragma unroll
      for (int i = 0; i < N; ++i) out[begin + i] = 0;
      return;
    }
    const double* floor = by_row ? floors + row : floors + row / rows * columns + at;
    const T factor = T(correction->momentum / correction->root);
    T r[kVector];
    load(*roots, begin, N, r);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const T own = math::above(grad[begin + i], T(floor[by_row ? 0 : i]));
      r[i] = math::root_of_sum(T(two.kept), r[i], T(two.fresh), own);
      out[begin + i] = r[i] == 0 ? T(0) : factor * momentum[begin + i] / (r[i] + T(eps));
    }
    store(*roots, begin, N, r);
  }
};

static void adam_in_basis(const AdamInBasis& op, Stream& stream) {
  View out = op.out, roots = op.roots, steps = op.steps;
  const Lists lists(stream, {{&out, 1}, {&roots, 1}, {&steps, 1}});
  auto* correction = stream.scratch<math::BiasCorrections>(1);
  count_steps(Step{.weights = {&out, 1}, .guard = op.guard}, lists.of(2), stream,
              CorrectBias{correction, op.beta1, op.beta2});
  if (op.out.size() == 0) return;
  const int64_t rows = op.out.shape[1], columns = op.out.shape[2], count = op.squares.size();
  auto* floors = stream.scratch<double>(count);
  launch(stream, rounding_floors_kernel,
         {dim3(unsigned((count + kThreads - 1) / kThreads)), kThreads}, op.squares.as<double>(),
         count, op.least, floors);
  visit(op.out.dtype, [&]<class T>() {
    for_matrix(stream, op.out.shape[0] * rows, columns,
               AdamInBasisRow<T>{op.momentum.as<T>(), op.grad.as<T>(), op.out.as<T>(), lists.of(1),
                                 floors, op.guard.as<double>(), correction, MovingAverage(op.beta2),
                                 op.eps, rows, columns, op.axis == SliceAxis::kRows});
  });
}
ORTHOKIT_KERNEL(AdamInBasis, adam_in_basis);

}  // namespace orthokit::cuda
