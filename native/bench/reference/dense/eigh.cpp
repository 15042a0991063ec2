#include "ops/dense/eigh.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/dense/shared/jacobi.h"
#include "bench/reference/dense/shared/sign.h"
#include "bench/reference/operands.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {
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
    if (is_finite) rotate_to_diagonal(a, v, n);
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
ORTHOKIT_REFERENCE(Eigh, eigh, 4 * double(2 + matrices(op.matrix).rows));

// The results are exact for A + E, ‖E‖ at most the growth's roundings of ‖A‖ (Golub and Van
// Loan, Matrix Computations, 8.3). Values move by ‖E‖ at most, and vector j by the sum of
// (vᵢᵀ E vⱼ) / (λⱼ − λᵢ) vᵢ over all others: its element k by ‖E‖ √Σ (vₖᵢ / (λⱼ − λᵢ))², as
// ‖E vⱼ‖ ≤ ‖E‖. The vectors' length rounds besides.
static std::vector<double> terms_of_vectors(size_t n, const double* lambda, const double* v) {
  const double norm = std::max(std::abs(lambda[0]), std::abs(lambda[n - 1]));
  std::vector<double> terms;
  for (size_t k = 0; k < n; ++k)
    for (size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i)
        if (i != j) sum += std::pow(v[k * n + i] / (lambda[j] - lambda[i]), 2);
      terms.push_back(1 + norm * std::sqrt(sum));
    }
  return terms;
}

static std::vector<double> terms_of(const Eigh& op, std::string_view tensor) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  const size_t n = size_t(rows);
  const double rounding = growth_of(op) * unit_of(op.matrix.dtype);
  std::vector<double> terms;
  for (size_t index = 0; index < size_t(batch) && n > 0; ++index) {
    const double* lambda = values(op.values) + index * n;
    if (tensor == "values")
      terms.insert(terms.end(), n, std::max(std::abs(lambda[0]), std::abs(lambda[n - 1])));
    if (tensor != "vectors") continue;
    const double* v = values(op.vectors) + index * n * n;
    auto own = terms_of_vectors(n, lambda, v);
    allow_either_sign(uncertain_signs(n, n, v, rounding, own), v, rounding, own);
    terms.insert(terms.end(), own.begin(), own.end());
  }
  return terms;
}
ORTHOKIT_TERMS(Eigh, terms_of);

}  // namespace orthokit::bench
