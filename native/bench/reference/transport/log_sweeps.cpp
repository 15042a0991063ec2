#include "ops/transport/log_sweeps.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

// eps (ln mass − log_sum); the potential as it was where nothing finite is reached.
static double next_potential(double was, double mass, double log_sum, double eps) {
  if (mass == 0) return -HUGE_VAL;
  return std::isfinite(log_sum) ? eps * (std::log(mass) - log_sum) : was;
}

static void log_sweeps(const LogSweeps &op) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  double *f = values(op.row_potential), *g = values(op.column_potential);
  const double *c = values(op.cost), eps = op.eps;
  const auto plan = [&](int64_t i, int64_t j) {
    return std::exp((f[i] + g[j] - c[i * m + j]) / eps);
  };
  const auto update_column = [&](int64_t j) {
    const double log_sum =
        log_sum_of_exps(n, [&](int64_t i) { return (f[i] - c[i * m + j]) / eps; });
    g[j] = next_potential(g[j], values(op.column_mass)[j], log_sum, eps);
  };
  for (int64_t sweep = 0; sweep < op.count; ++sweep) {
    for (int64_t i = 0; i < n; ++i) {
      const double log_sum =
          log_sum_of_exps(m, [&](int64_t j) { return (g[j] - c[i * m + j]) / eps; });
      f[i] = next_potential(f[i], values(op.row_mass)[i], log_sum, eps);
    }
    std::vector<double> sums;
    for (int64_t j = 0; j < m; ++j)
      sums.push_back(sum_of_terms(n, [&](int64_t i) { return plan(i, j); }));
    *values(op.statistics) = sum_of_terms(
        m, [&](int64_t j) { return std::abs(values(op.column_mass)[j] - sums[size_t(j)]); });
    const bool stores = op.kernel && sweep + 1 == op.count;
    for (int64_t j = 0; j < m; ++j) {
      const double mass = values(op.column_mass)[j], sum = sums[size_t(j)];
      const bool has_scale = stores && mass > 0 && sum >= least_sum_of(op.cost.dtype) * mass;
      if (!has_scale) update_column(j);
      if (!stores) continue;
      for (int64_t i = 0; i < n; ++i) values(op.kernel)[i * m + j] = plan(i, j);
      values(op.column_scale)[j] = mass == 0 ? 0 : has_scale ? mass / sum : 1;
    }
  }
}
ORTHOKIT_REFERENCE(LogSweeps, log_sweeps, in_f64(op.cost, 256));

}  // namespace orthokit::bench
