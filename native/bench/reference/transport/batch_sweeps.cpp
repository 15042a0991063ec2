#include "ops/transport/batch_sweeps.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

static void sweep_problem(const BatchSweeps& op, int64_t b) {
  const int64_t n = op.cost.shape[1], m = op.cost.shape[2];
  const double *cost = values(op.cost) + b * n * m, *r = values(op.row_mass) + b * n,
               *c = values(op.column_mass) + b * m, eps = op.eps;
  double *f = values(op.row_potential) + b * n, *g = values(op.column_potential) + b * m,
         *statistics = values(op.statistics) + 4 * b;
  const auto plan = [&](int64_t i, int64_t j) {
    return std::exp((f[i] + g[j] - cost[i * m + j]) / eps);
  };
  const auto column_error = [&] {
    return sum_of_terms(m, [&](int64_t j) {
      return std::abs(c[j] - sum_of_terms(n, [&](int64_t i) { return plan(i, j); }));
    });
  };
  const auto update = [&](double& potential, double mass, double log_sum) {
    if (mass == 0)
      potential = -HUGE_VAL;
    else if (std::isfinite(log_sum))
      potential = eps * (std::log(mass) - log_sum);
  };
  // A pair without mass has no part in a sum, be its cost or its potentials infinite.
  const auto over_plan = [&](auto&& term) {
    return sum_of_terms(n * m, [&](int64_t k) {
      const double mass = plan(k / m, k % m);
      return mass == 0 ? 0.0 : mass * term(k);
    });
  };
  double error = HUGE_VAL;
  int64_t done = 0;
  for (; done < op.count && error > op.tol; ++done) {
    for (int64_t i = 0; i < n; ++i)
      update(f[i], r[i],
             log_sum_of_exps(m, [&](int64_t j) { return (g[j] - cost[i * m + j]) / eps; }));
    error = column_error();
    for (int64_t j = 0; j < m; ++j)
      update(g[j], c[j],
             log_sum_of_exps(n, [&](int64_t i) { return (f[i] - cost[i * m + j]) / eps; }));
  }
  statistics[0] = double(done);
  statistics[1] = column_error() + sum_of_terms(n, [&](int64_t i) {
                    return std::abs(r[i] - sum_of_terms(m, [&](int64_t j) { return plan(i, j); }));
                  });
  statistics[2] = over_plan([&](int64_t k) { return cost[k]; });
  statistics[3] = over_plan([&](int64_t k) { return f[k / m] + g[k % m]; });
}

static void batch_sweeps(const BatchSweeps& op) {
  for (int64_t b = 0; b < op.cost.shape[0]; ++b) sweep_problem(op, b);
}
ORTHOKIT_REFERENCE(BatchSweeps, batch_sweeps, in_f64(op.cost, 4096));

}  // namespace orthokit::bench
