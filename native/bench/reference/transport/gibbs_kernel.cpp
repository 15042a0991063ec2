#include "ops/transport/gibbs_kernel.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

static void gibbs_kernel(const GibbsKernel& op) {
  const int64_t n = op.rows(), m = op.columns();
  for (int64_t row = 0; row < op.problems() * n; ++row)
    for (int64_t j = 0; j < m; ++j) {
      const double potentials =
          values(op.row_potential)[row] + values(op.column_potential)[row / n * m + j];
      const int64_t at = row * m + j;
      values(op.kernel)[at] = std::exp((potentials - values(op.cost)[at]) / op.eps);
    }
}
// Exponents of the size of 10, each of whose roundings the exponential shows.
ORTHOKIT_REFERENCE(GibbsKernel, gibbs_kernel, in_f64(op.cost, 64));

}  // namespace orthokit::bench
