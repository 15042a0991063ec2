#include "ops/dense/cholesky.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

// 0, or the order of the first minor that is not positive.
int factor(const double* a, double* l, int64_t n, double rank_tolerance) {
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, a[i * n + i]);
  std::fill_n(l, n * n, 0.0);
  for (int64_t j = 0; j < n; ++j)
    for (int64_t i = j; i < n; ++i) {
      double sum = a[i * n + j];
      for (int64_t t = 0; t < j; ++t) sum -= l[i * n + t] * l[j * n + t];
      double& own = l[i * n + j];
      if (i > j)
        own = l[j * n + j] == 0 ? 0 : sum / l[j * n + j];
      else if (rank_tolerance > 0 && sum <= rank_tolerance * largest)
        own = 0;
      else if (sum > 0 && std::isfinite(sum))
        own = std::sqrt(sum);
      else
        return int(j + 1);
    }
  return 0;
}

}  // namespace

static void cholesky(const Cholesky& op) {
  const auto [batch, n, columns] = matrices(op.gram);
  for (int64_t index = 0; index < batch; ++index) {
    const double* a = values(op.gram) + index * n * n;
    std::vector<double> l(size_t(n * n));
    const int info = factor(a, l.data(), n, op.rank_tolerance);
    if (info != 0) std::ranges::fill(l, NAN);
    std::ranges::copy(l, values(op.factor) + index * n * n);
    values(op.info)[index] = info;
  }
}
// The examples' matrices are far from singular.
ORTHOKIT_REFERENCE(Cholesky, cholesky, 8 * double(2 + matrices(op.gram).rows));

}  // namespace orthokit::bench
