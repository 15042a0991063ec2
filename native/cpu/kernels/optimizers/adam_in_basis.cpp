#include "ops/optimizers/adam_in_basis.h"

#include "cpu/kernels/optimizers/shared/adam.h"
#include "cpu/kernels/optimizers/shared/state.h"
#include "math/roots.h"
#include "math/rounding.h"
#include "math/update_in_basis.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void adam_in_basis(const AdamInBasis& op, Stream& stream) {
  const int64_t rows = op.out.shape[1], columns = op.out.shape[2];
  const bool by_row = op.axis == SliceAxis::kRows;
  View steps = op.steps;
  const math::BiasCorrections correction = *corrections_of({&steps, 1}, op.beta1, op.beta2, stream);
  const T factor = T(correction.momentum / correction.root), eps = T(op.eps);
  const T kept = T(op.beta2), fresh = T(1 - op.beta2);
  for_rows(stream, op.out.shape[0] * rows, columns, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t done = 0; done < columns; done += kBlock) {
        const int64_t at = row * columns + done, n = std::min(kBlock, columns - done);
        State<T> roots(op.roots, at, n);
        const T *m = op.momentum.as<T>() + at, *g = op.grad.as<T>() + at;
        const int64_t column = row / rows * columns + done, line = by_row ? row : column,
                      vector = by_row ? column : row;
        const double *norm = op.norms.as<double>() + line,
                     *momentum_norm = op.momentum_norms.as<double>() + line,
                     *size = op.sizes.as<double>() + vector;
        T *r = roots.data(), *out = op.out.as<T>() + at;
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at_line = by_row ? 0 : i;
          const double own_size = size[by_row ? i : 0];
          const T floor = T(math::rounding_floor(norm[at_line] * own_size, op.least)),
                  momentum_floor = T(math::rounding_floor(momentum_norm[at_line] * own_size,
                                                          op.least_of_momentum));
          r[i] = math::root_of_sum(kept, r[i], fresh, math::above(g[i], floor));
          out[i] = math::update_in_basis(math::above(m[i], momentum_floor), r[i], factor, eps);
        }
      }
  });
}

void adam_in_basis(const AdamInBasis& op, Stream& stream) {
  visit(op.out.dtype, [&]<class T>() {
    if (is_held(op.guard))
      std::fill_n(op.out.as<T>(), op.out.size(), T(0));
    else
      adam_in_basis<T>(op, stream);
  });
}
ORTHOKIT_KERNEL(AdamInBasis, adam_in_basis);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
