#include "ops/transport/plan_sums.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

static void plan_sums(const PlanSums& op) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  std::vector<double> plan(size_t(n * m));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j)
      plan[size_t(i * m + j)] =
          std::exp(exponent_of(op.cost, op.row_potential, op.column_potential, op.eps, i, j));
  double *rows = values(op.row_sums), *columns = values(op.column_sums);
  for (int64_t i = 0; i < n; ++i)
    rows[i] = sum_of_terms(m, [&](int64_t j) { return plan[size_t(i * m + j)]; });
  for (int64_t j = 0; j < m; ++j)
    columns[j] = sum_of_terms(n, [&](int64_t i) { return plan[size_t(i * m + j)]; });
  const double out[] = {
      sum_of_terms(n * m, [&](int64_t k) { return plan[size_t(k)] * values(op.cost)[k]; }),
      sum_of_terms(n, [&](int64_t i) { return rows[i]; }),
      sum_of_terms(n, [&](int64_t i) { return std::abs(values(op.row_mass)[i] - rows[i]); }),
      sum_of_terms(m, [&](int64_t j) { return std::abs(values(op.column_mass)[j] - columns[j]); })};
  std::copy_n(out, 4, values(op.statistics));
}
ORTHOKIT_REFERENCE(PlanSums, plan_sums, in_f64(op.cost, 256));

}  // namespace orthokit::bench
