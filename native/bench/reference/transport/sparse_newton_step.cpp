#include "ops/transport/sparse_newton_step.h"

#include <limits>

#include "bench/reference/transport/shared/transport.h"

namespace orthokit::bench {

namespace {

using Vector = std::vector<long double>;

struct System {
  const SparseNewtonStep& op;
  const int64_t n = op.step.shape[0], m = op.column_mass.shape[0];
  bool is_matrix() const {
    const double *starts = values(op.starts), *columns = values(op.columns);
    bool good = starts[0] == 0 && starts[n] <= double(op.columns.shape[0]);
    for (int64_t i = 0; i < n; ++i) good = good && starts[i] <= starts[i + 1];
    for (int64_t k = 0; good && k < int64_t(starts[n]); ++k)
      good = columns[k] >= 0 && columns[k] < double(m);
    return good;
  }
  template <class F>
  void each(F&& f) const {  // f(row, column, value)
    for (int64_t i = 0; i < n; ++i)
      for (auto k = int64_t(values(op.starts)[i]); k < int64_t(values(op.starts)[i + 1]); ++k)
        f(size_t(i), size_t(values(op.columns)[k]), values(op.values)[k]);
  }
  double inverse(size_t j) const {  // of a column's mass; a column without has no part
    const double mass = values(op.column_mass)[j];
    return mass > 0 ? 1 / mass : 0;
  }
  Vector times(const Vector& diagonal, const Vector& x) const {
    Vector through(size_t(m), 0), out(size_t(n), 0);
    each([&](size_t i, size_t j, double p) { through[j] += p * x[i]; });
    for (size_t j = 0; j < through.size(); ++j) through[j] *= inverse(j);
    each([&](size_t i, size_t j, double p) { out[i] -= p * through[j]; });
    for (size_t i = 0; i < out.size(); ++i) out[i] += diagonal[i] * x[i];
    return out;
  }
};

long double dot(const Vector& a, const Vector& b) {
  long double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

static void sparse_newton_step(const SparseNewtonStep& op) {
  const System system{op};
  const auto n = size_t(system.n);
  if (!system.is_matrix()) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    std::fill_n(values(op.step), n, nan), std::fill_n(values(op.statistics), 4, nan);
    if (op.row_rhs) std::fill_n(values(op.column_step), system.m, nan);
    return;
  }
  const double *r = values(op.row_mass), *s = values(op.row_sums);
  Vector sums(s, s + n), diagonal(n), gradient(n), jacobi(n), x(n, 0), direction(n);
  for (size_t i = 0; i < n; ++i) {
    diagonal[i] = jacobi[i] = s[i] + op.shift * std::max(s[i], r[i]);
    gradient[i] = r[i] == 0 ? 0 : r[i] - s[i];
  }
  for (size_t i = 0; op.row_rhs && i < n; ++i) gradient[i] = values(op.row_rhs)[i];
  system.each([&](size_t i, size_t j, double p) {
    jacobi[i] -= p * p * system.inverse(j);
    if (op.row_rhs) gradient[i] -= p * values(op.column_rhs)[j] * system.inverse(j);
  });
  Vector residual = gradient;
  const auto precondition = [&](size_t i) -> long double {
    const long double own = jacobi[i] > 1e-10 * diagonal[i] ? jacobi[i] : diagonal[i];
    return own > 0 ? residual[i] / own : 0;
  };
  for (size_t i = 0; i < n; ++i) direction[i] = precondition(i);
  long double descent = dot(residual, direction);
  const long double goal = op.tol * op.tol * dot(residual, residual);
  int64_t iterations = 0;
  while (iterations < op.most && dot(residual, residual) > goal) {
    const Vector product = system.times(diagonal, direction);
    const long double curvature = dot(direction, product), length = descent / curvature;
    if (!(curvature > 0)) break;
    ++iterations;
    for (size_t i = 0; i < n; ++i)
      x[i] += length * direction[i], residual[i] -= length * product[i];
    long double next = 0;
    for (size_t i = 0; i < n; ++i) next += residual[i] * precondition(i);
    for (size_t i = 0; i < n; ++i) direction[i] = precondition(i) + next / descent * direction[i];
    descent = next;
  }
  long double sum = 0, count = 0;
  for (size_t i = 0; i < n; ++i)
    if (r[i] != 0) sum += x[i], ++count;
  double largest = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!op.row_rhs) x[i] = r[i] == 0 ? 0 : x[i] - sum / count;
    values(op.step)[i] = double(x[i]);
    largest = std::max(largest, double(std::abs(x[i])));
  }
  Vector rest(size_t(system.m), 0);
  system.each([&](size_t i, size_t j, double p) { rest[j] += p * x[i]; });
  for (size_t j = 0; op.row_rhs && j < rest.size(); ++j)
    values(op.column_step)[j] = double((values(op.column_rhs)[j] - rest[j]) * system.inverse(j));
  const double out[] = {double(iterations),
                        double(dot(gradient, x) - dot(x, system.times(sums, x)) / 2), largest,
                        values(op.starts)[n]};
  std::copy_n(out, 4, values(op.statistics));
}
ORTHOKIT_REFERENCE(SparseNewtonStep, sparse_newton_step, 1e5);

}  // namespace orthokit::bench
