#include "ops/transport/scaling_sweeps.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

static void scaling_sweeps(const ScalingSweeps &op) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const double *k = values(op.kernel), *r = values(op.row_mass), *c = values(op.column_mass);
  double *u = values(op.row_scale), *v = values(op.column_scale);
  std::vector<double> next_u(size_t(n), 0.0), next_v(size_t(m), 0.0);
  double done = 0, error = HUGE_VAL, largest = 0, failed = 0;
  while (done < double(op.count)) {
    double extent = 0;
    bool good = true;
    const auto scale = [&](double mass, double sum) {
      if (mass == 0) return 0.0;
      const double x = mass / sum;
      good = good && x > 0 && x < HUGE_VAL, extent = std::max(extent, std::abs(std::log(x)));
      return x;
    };
    for (int64_t i = 0; i < n; ++i)
      next_u[size_t(i)] =
          scale(r[i], sum_of_terms(m, [&](int64_t j) { return k[i * m + j] * v[j]; }));
    double apart = 0;
    for (int64_t j = 0; j < m; ++j) {
      const double sum =
          sum_of_terms(n, [&](int64_t i) { return next_u[size_t(i)] * k[i * m + j]; });
      apart += std::abs(c[j] - v[j] * sum);
      next_v[size_t(j)] = scale(c[j], sum);
    }
    failed = !(good && apart < HUGE_VAL);
    if (failed) break;
    std::copy(next_u.begin(), next_u.end(), u), std::copy(next_v.begin(), next_v.end(), v);
    ++done, error = apart, largest = extent;
    if (error <= op.tol || largest > std::log(op.most)) break;
  }
  const double out[] = {done, error, largest, failed};
  std::copy_n(out, 4, values(op.statistics));
}
ORTHOKIT_REFERENCE(ScalingSweeps, scaling_sweeps, in_f64(op.kernel, 256));

}  // namespace orthokit::bench
