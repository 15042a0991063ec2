#include "cuda/transport.cuh"
#include "ops/gibbs_kernel.h"

namespace orthokit::cuda {

static void gibbs_kernel(const GibbsKernel& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const double inverse = 1 / op.eps;
  const double *u = in_units(stream, op.row_potential, inverse),
               *w = in_units(stream, op.column_potential, inverse);
  visit(op.cost.dtype, [&]<class T>() {
    write_kernel(stream, op.cost.as<T>(), u, w, inverse, n, m, op.kernel.as<T>());
  });
}
ORTHOKIT_KERNEL(GibbsKernel, gibbs_kernel);

}  // namespace orthokit::cuda
