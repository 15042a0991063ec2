#include "ops/gibbs_kernel.h"

#include "bench/reference/transport.h"

namespace orthokit::bench {

static void gibbs_kernel(const GibbsKernel& op) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j)
      values(op.kernel)[i * m + j] =
          std::exp(exponent_of(op.cost, op.row_potential, op.column_potential, op.eps, i, j));
}
// Exponents of the size of 10, each of whose roundings the exponential shows.
ORTHOKIT_REFERENCE(GibbsKernel, gibbs_kernel, 64);

}  // namespace orthokit::bench
