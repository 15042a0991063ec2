#include "ops/transport/gibbs_kernel.h"

#include "cpu/chunks.h"
#include "cpu/kernels/transport/shared/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void gibbs_kernel(const GibbsKernel& op, Stream& stream) {
  const int64_t n = op.rows(), m = op.columns();
  const double inverse = units_of(op.eps);
  const double *u = in_units(stream, op.row_potential, inverse),
               *w = in_units(stream, op.column_potential, inverse);
  visit(op.cost.dtype, [&]<class T>() {
    for_rows(stream, op.problems() * n, m, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        T* kernel = op.kernel.as<T>() + i * m;
        plan_row(op.cost.as<T>() + i * m, w + i / n * m, u[i], inverse, m,
                 [&](int64_t j, auto count, const Eight& x) { store_some(x, count, kernel + j); });
      }
    });
  });
}
ORTHOKIT_KERNEL(GibbsKernel, gibbs_kernel);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
