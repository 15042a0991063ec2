#include "ops/semidual.h"

#include "bench/reference/transport.h"

namespace orthokit::bench {

static void semidual(const Semidual &op) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const double *k = values(op.kernel), *r = values(op.row_mass), *c = values(op.column_mass);
  double *u = values(op.next_row_scale), *v = values(op.next_column_scale),
         *s = values(op.row_sums);
  const auto step = [&](int64_t i) { return op.step ? values(op.step)[i] : 0; };
  for (int64_t i = 0; i < n; ++i) u[i] = values(op.row_scale)[i] * std::exp(step(i));
  for (int64_t j = 0; j < m; ++j)
    v[j] = c[j] / sum_of_terms(n, [&](int64_t i) { return u[i] * k[i * m + j]; });
  for (int64_t i = 0; i < n; ++i)
    s[i] = u[i] * sum_of_terms(m, [&](int64_t j) { return k[i * m + j] * v[j]; });
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(std::log(u[i])));
  for (int64_t j = 0; j < m; ++j) largest = std::max(largest, std::abs(std::log(v[j])));
  const double out[] = {
      sum_of_terms(n, [&](int64_t i) { return std::abs(r[i] - s[i]); }),
      sum_of_terms(n, [&](int64_t i) { return r[i] * step(i); }) +
          sum_of_terms(
              m, [&](int64_t j) { return c[j] * std::log(v[j] / values(op.column_scale)[j]); }),
      largest};
  std::copy_n(out, 3, values(op.statistics));
}
ORTHOKIT_REFERENCE(Semidual, semidual, 1024);

}  // namespace orthokit::bench
