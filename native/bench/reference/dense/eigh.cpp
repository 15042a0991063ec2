#include "ops/dense/eigh.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/dense/shared/sign.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

// Cyclic Jacobi: V's columns, A's diagonal.
void rotate(std::vector<double>& a, std::vector<double>& v, size_t n) {
  double largest = 0;
  for (double x : a) largest = std::max(largest, std::abs(x));
  bool is_done = false;
  for (int sweep = 0; sweep < 30 && !is_done; ++sweep) {
    is_done = true;
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p * n + q]) <= 0x1p-60 * largest) continue;
        is_done = false;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::hypot(1, theta));
        const double c = 1 / std::hypot(1, t), s = t * c;
        for (size_t j = 0; j < n; ++j) {
          const double x = a[p * n + j], y = a[q * n + j];
          a[p * n + j] = c * x - s * y, a[q * n + j] = s * x + c * y;
        }
        for (auto* m : {&a, &v})
          for (size_t i = 0; i < n; ++i) {
            double &x = (*m)[i * n + p], &y = (*m)[i * n + q];
            const double old = x;
            x = c * old - s * y, y = s * old + c * y;
          }
        a[p * n + q] = a[q * n + p] = 0;
      }
  }
}

}  // namespace

static void eigh(const Eigh& op) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  const size_t n = size_t(rows);
  for (size_t index = 0; index < size_t(batch); ++index) {
    const double* x = values(op.matrix) + index * n * n;
    bool is_finite = true;
    std::vector<double> a(n * n), v(n * n, 0.0);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j <= i; ++j) {
        a[i * n + j] = a[j * n + i] = x[i * n + j];
        is_finite = is_finite && std::isfinite(x[i * n + j]);
        v[i * n + i] = 1;
      }
    values(op.info)[index] = is_finite ? 0 : 1;
    if (is_finite) rotate(a, v, n);
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](size_t i) { return a[i * n + i]; });
    for (size_t j = 0; j < n; ++j) {
      const size_t from = order[j];
      values(op.values)[index * n + j] = is_finite ? a[from * n + from] : NAN;
      if (!op.vectors) continue;
      const double sign = sign_of(n, [&](size_t i) { return v[i * n + from]; });
      for (size_t i = 0; i < n; ++i)
        values(op.vectors)[index * n * n + i * n + j] = is_finite ? sign * v[i * n + from] : NAN;
    }
  }
}
ORTHOKIT_REFERENCE(Eigh, eigh, 8 * double(2 + matrices(op.matrix).rows));

}  // namespace orthokit::bench
