#include "cuda/kernels/optimizers/shared/adam.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "cuda/matrix.cuh"
#include "math/roots.h"
#include "math/rounding.h"
#include "math/update_in_basis.h"
#include "ops/optimizers/adam_in_basis.h"

namespace orthokit::cuda {

template <class T>
struct AdamInBasisRow {
  const T *momentum, *grad;
  T* out;
  const Operand* roots;
  const double *norms, *momentum_norms, *sizes, *guard;
  const math::BiasCorrections* correction;
  MovingAverage two;
  double eps, least, least_of_momentum;
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
    const int64_t column = row / rows * columns + at, line = by_row ? row : column,
                  vector = by_row ? column : row;
    const T factor = T(correction->momentum / correction->root);
    T r[kVector];
    load(*roots, begin, N, r);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const int64_t own_line = line + (by_row ? 0 : i);
      const double size = sizes[vector + (by_row ? i : 0)];
      const T floor = T(math::rounding_floor(norms[own_line] * size, least)),
              momentum_floor =
                  T(math::rounding_floor(momentum_norms[own_line] * size, least_of_momentum));
      r[i] =
          math::root_of_sum(T(two.kept), r[i], T(two.fresh), math::above(grad[begin + i], floor));
      out[begin + i] = math::update_in_basis(math::above(momentum[begin + i], momentum_floor), r[i],
                                             factor, T(eps));
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
  const int64_t rows = op.out.shape[1], columns = op.out.shape[2];
  visit(op.out.dtype, [&]<class T>() {
    for_matrix(stream, op.out.shape[0] * rows, columns,
               AdamInBasisRow<T>{op.momentum.as<T>(), op.grad.as<T>(), op.out.as<T>(), lists.of(1),
                                 op.norms.as<double>(), op.momentum_norms.as<double>(),
                                 op.sizes.as<double>(), op.guard.as<double>(), correction,
                                 MovingAverage(op.beta2), op.eps, op.least, op.least_of_momentum,
                                 rows, columns, op.axis == SliceAxis::kRows});
  });
}
ORTHOKIT_KERNEL(AdamInBasis, adam_in_basis);

}  // namespace orthokit::cuda
