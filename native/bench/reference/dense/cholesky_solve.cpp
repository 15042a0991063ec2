#include "ops/dense/cholesky_solve.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void cholesky_solve(const CholeskySolve& op) {
  const auto [batch, n, columns] = matrices(op.rhs);
  for (int64_t index = 0; index < batch; ++index)
    for (int64_t c = 0; c < columns; ++c) {
      const double* l = values(op.factor) + index * n * n;
      const double* b = values(op.rhs) + index * n * columns + c;
      std::vector<double> x;
      for (int64_t i = 0; i < n; ++i) {
        double sum = b[i * columns];
        for (int64_t t = 0; t < i; ++t) sum -= l[i * n + t] * x[size_t(t)];
        x.push_back(sum / l[i * n + i]);
      }
      for (int64_t i = n - 1; i >= 0; --i) {
        for (int64_t t = i + 1; t < n; ++t) x[size_t(i)] -= l[t * n + i] * x[size_t(t)];
        x[size_t(i)] /= l[i * n + i];
      }
      for (int64_t i = 0; i < n; ++i) values(op.out)[(index * n + i) * columns + c] = x[size_t(i)];
    }
}
// The examples' factors are far from singular.
ORTHOKIT_REFERENCE(CholeskySolve, cholesky_solve, 8 * double(2 + matrices(op.factor).rows));

}  // namespace orthokit::bench
