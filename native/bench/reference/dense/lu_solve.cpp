#include "ops/dense/lu_solve.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void lu_solve(const LuSolve& op) {
  const auto [batch, n, columns] = matrices(op.rhs);
  for (int64_t index = 0; index < batch; ++index)
    for (int64_t c = 0; c < columns; ++c) {
      const double *lu = values(op.lu) + index * n * n, *pivots = values(op.pivots) + index * n;
      std::vector<double> x;
      for (int64_t i = 0; i < n; ++i) {
        const bool is_row = pivots[i] >= 0 && pivots[i] < double(n);
        double sum =
            is_row ? values(op.rhs)[(index * n + int64_t(pivots[i])) * columns + c] : double(NAN);
        for (int64_t t = 0; t < i; ++t) sum -= lu[i * n + t] * x[size_t(t)];
        x.push_back(sum);
      }
      for (int64_t i = n - 1; i >= 0; --i) {
        for (int64_t t = i + 1; t < n; ++t) x[size_t(i)] -= lu[i * n + t] * x[size_t(t)];
        x[size_t(i)] /= lu[i * n + i];
      }
      for (int64_t i = 0; i < n; ++i) values(op.out)[(index * n + i) * columns + c] = x[size_t(i)];
    }
}
// The examples' matrices are far from singular.
ORTHOKIT_REFERENCE(LuSolve, lu_solve, 8 * double(2 + matrices(op.lu).rows));

}  // namespace orthokit::bench
