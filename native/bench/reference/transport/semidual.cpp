#include "ops/transport/semidual.h"

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

static void semidual(const Semidual &op) {
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const double *k = values(op.kernel), *r = values(op.row_mass), *c = values(op.column_mass);
  double *u = values(op.next_row_scale), *v = values(op.next_column_scale),
         *s = values(op.row_sums);
  const auto step = [&](int64_t i) { return op.step ? values(op.step)[i] : 0; };
  double largest = 0;
  bool good = true;
  const auto meet = [&](double mass, double scale) {
    if (mass == 0) return;
    good = good && scale > 0 && scale < HUGE_VAL;
    largest = std::max(largest, std::abs(std::log(scale)));
  };
  for (int64_t i = 0; i < n; ++i)
    meet(r[i], u[i] = r[i] == 0 ? 0 : values(op.row_scale)[i] * std::exp(step(i)));
  for (int64_t j = 0; j < m; ++j) {
    const double sum = sum_of_terms(n, [&](int64_t i) { return u[i] * k[i * m + j]; });
    meet(c[j], v[j] = c[j] == 0 ? 0 : c[j] / sum);
  }
  for (int64_t i = 0; i < n; ++i)
    s[i] = r[i] == 0 ? 0 : u[i] * sum_of_terms(m, [&](int64_t j) { return k[i * m + j] * v[j]; });
  const double error = sum_of_terms(n, [&](int64_t i) { return std::abs(r[i] - s[i]); });
  good = good && error < HUGE_VAL;
  const double increase =
      sum_of_terms(n, [&](int64_t i) { return r[i] == 0 ? 0 : r[i] * step(i); }) +
      sum_of_terms(m, [&](int64_t j) {
        return c[j] == 0 ? 0 : c[j] * std::log(v[j] / values(op.column_scale)[j]);
      });
  const double out[] = {good ? error : HUGE_VAL, good ? increase : -HUGE_VAL,
                        good ? largest : HUGE_VAL};
  std::copy_n(out, 3, values(op.statistics));
}
ORTHOKIT_REFERENCE(Semidual, semidual, in_f64(op.kernel, 1024));

}  // namespace orthokit::bench
