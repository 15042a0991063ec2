#include "ops/scaling_sweeps.h"

#include "bench/reference/transport.h"

namespace orthokit::bench {

static void scaling_sweeps(const ScalingSweeps &op) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const double *k = values(op.kernel), *r = values(op.row_mass), *c = values(op.column_mass);
  double *u = values(op.row_scale), *v = values(op.column_scale);
  double done = 0, error = HUGE_VAL, largest = 0;
  while (done < double(op.count)) {
    for (int64_t i = 0; i < n; ++i)
      u[i] = r[i] / sum_of_terms(m, [&](int64_t j) { return k[i * m + j] * v[j]; });
    error = 0;
    for (int64_t j = 0; j < m; ++j) {
      const double sum = sum_of_terms(n, [&](int64_t i) { return u[i] * k[i * m + j]; });
      error += std::abs(c[j] - v[j] * sum);
      v[j] = c[j] / sum;
    }
    largest = 0;
    for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(std::log(u[i])));
    for (int64_t j = 0; j < m; ++j) largest = std::max(largest, std::abs(std::log(v[j])));
    ++done;
    if (error <= op.tol || largest > std::log(op.most)) break;
  }
  const double out[] = {done, error, largest, 0};
  std::copy_n(out, 4, values(op.statistics));
}
ORTHOKIT_REFERENCE(ScalingSweeps, scaling_sweeps, 256);

}  // namespace orthokit::bench
