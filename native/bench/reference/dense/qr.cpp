#include "ops/dense/qr.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

// By Gram and Schmidt's process, each column twice: the kernels reflect. A column that has nothing
// beside those before gets zeros.
static void qr(const Qr& op) {
  const auto [batch, m, n] = matrices(op.matrix);
  const int64_t k = smaller_side(op.matrix);
  for (int64_t index = 0; index < batch; ++index) {
    const double* a = values(op.matrix) + index * m * n;
    double *q = values(op.q) + index * m * k, *r = values(op.r) + index * k * n;
    for (int64_t i = 0; i < k * n; ++i) r[i] = 0;
    for (int64_t j = 0; j < n; ++j) {
      std::vector<double> x;
      for (int64_t i = 0; i < m; ++i) x.push_back(a[i * n + j]);
      for (int pass = 0; pass < 2; ++pass)
        for (int64_t t = 0; t < std::min(j, k); ++t) {
          double sum = 0;
          for (int64_t i = 0; i < m; ++i) sum += q[i * k + t] * x[size_t(i)];
          for (int64_t i = 0; i < m; ++i) x[size_t(i)] -= sum * q[i * k + t];
          r[t * n + j] += sum;
        }
      if (j >= k) continue;
      double sum = 0;
      for (double own : x) sum += own * own;
      r[j * n + j] = std::sqrt(sum);
      for (int64_t i = 0; i < m; ++i) q[i * k + j] = sum == 0 ? 0 : x[size_t(i)] / r[j * n + j];
    }
  }
}
ORTHOKIT_REFERENCE(Qr, qr, 16 * double(2 + smaller_side(op.matrix)));

// An element of q is the rest of one of the matrix, less its parts along the columns before; by
// reflections, the first k rows of q are the rest of a 1 besides. One of r is a sum of products.
// All may be small where their terms are not. From the first column on that has nothing beside
// those before, any vector that is orthogonal to these will do.
static double terms_of(const Qr& op, std::string_view tensor, int64_t j) {
  const auto [batch, m, n] = matrices(op.matrix);
  const int64_t k = smaller_side(op.matrix);
  const int64_t index = j / (tensor == "q" ? m * k : k * n);
  const double* a = values(op.matrix) + index * m * n;
  const double *q = values(op.q) + index * m * k, *r = values(op.r) + index * k * n;
  int64_t certain = 0;
  while (certain < k && r[certain * n + certain] != 0) ++certain;
  double sum = 0;
  if (tensor == "q") {
    const int64_t i = j / k % m, column = j % k;
    if (column >= certain) return kUnsteady;
    sum = std::abs(a[i * n + column]);
    for (int64_t t = 0; t < column; ++t) sum += std::abs(q[i * k + t] * r[t * n + column]);
    return sum / std::abs(r[column * n + column]) + (i < k ? 1 : 0);
  }
  const int64_t t = j / n % k, column = j % n;
  if (t >= certain && t < column) return kUnsteady;
  for (int64_t i = 0; i < m; ++i) sum += std::abs(q[i * k + t] * a[i * n + column]);
  return t > column ? 0 : sum;
}
ORTHOKIT_TERMS(Qr, terms_of);

}  // namespace orthokit::bench
