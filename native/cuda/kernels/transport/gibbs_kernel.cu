#include "cuda/kernels/transport/shared/transport.cuh"
#include "ops/transport/gibbs_kernel.h"

namespace orthokit::cuda {

static void gibbs_kernel(const GibbsKernel& op, Stream& stream) {
  const int64_t n = op.rows(), m = op.columns();
  const double inverse = 1 / op.eps;
  const double *u = in_units(stream, op.row_potential, inverse),
               *w = in_units(stream, op.column_potential, inverse);
  visit(op.cost.dtype, [&]<class T>() {
    for (int64_t k = 0; k < op.problems(); ++k)
      write_kernel(stream, op.cost.as<T>() + k * n * m, u + k * n, w + k * m, inverse, n, m,
                   op.kernel.as<T>() + k * n * m);
  });
}
ORTHOKIT_KERNEL(GibbsKernel, gibbs_kernel);

}  // namespace orthokit::cuda
