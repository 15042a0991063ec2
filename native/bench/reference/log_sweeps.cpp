#include "ops/log_sweeps.h"

#include "bench/reference/transport.h"

namespace orthokit::bench {

static void log_sweeps(const LogSweeps &op) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  double *f = values(op.row_potential), *g = values(op.column_potential);
  const double *c = values(op.cost), eps = op.eps;
  for (int64_t sweep = 0; sweep < op.count; ++sweep) {
    for (int64_t i = 0; i < n; ++i)
      f[i] = eps * (std::log(values(op.row_mass)[i]) -
                    log_sum_of_exps(m, [&](int64_t j) { return (g[j] - c[i * m + j]) / eps; }));
    *values(op.statistics) = sum_of_terms(m, [&](int64_t j) {
      return std::abs(values(op.column_mass)[j] - sum_of_terms(n, [&](int64_t i) {
                        return std::exp((f[i] + g[j] - c[i * m + j]) / eps);
                      }));
    });
    if (op.kernel && sweep + 1 == op.count) {
      for (int64_t k = 0; k < n * m; ++k)
        values(op.kernel)[k] = std::exp((f[k / m] + g[k % m] - c[k]) / eps);
      for (int64_t j = 0; j < m; ++j) {
        const double mass = values(op.column_mass)[j];  // 0 even of a column whose sum vanishes
        values(op.column_scale)[j] = mass == 0 ? 0 : mass / sum_of_terms(n, [&](int64_t i) {
                                                       return values(op.kernel)[i * m + j];
                                                     });
      }
      return;
    }
    for (int64_t j = 0; j < m; ++j)
      g[j] = eps * (std::log(values(op.column_mass)[j]) -
                    log_sum_of_exps(n, [&](int64_t i) { return (f[i] - c[i * m + j]) / eps; }));
  }
}
ORTHOKIT_REFERENCE(LogSweeps, log_sweeps, 256);

}  // namespace orthokit::bench
