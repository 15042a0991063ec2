// Singular vectors of one side of a matrix, by falling singular values.
#pragma once
#include <algorithm>
#include <numeric>

#include "bench/reference/dense/shared/jacobi.h"
#include "bench/reference/dense/shared/sign.h"
#include "bench/reference/operands.h"
#include "bench/reference/optimizers/shared/step.h"
#include "ops/optimizers/shared/projection.h"

namespace orthokit::bench {

struct SingularBasis {
  size_t length = 0, vectors = 0;
  Vector squares;  // of all singular values, and 0 beyond, of x over its largest element
  Vector all;      // length × length: vector j is column j

  double at(size_t i, size_t j) const { return all[i * length + j]; }
  // By how much vector j's element i moves, where the squares move by the largest one's `rounding`,
  // to first order (Golub and Van Loan, 8.3).
  double sensitivity(size_t i, size_t j) const {
    double sum = 0;
    for (size_t k = 0; k < length && squares[0] > 0; ++k) {
      const double apart = squares[j] - squares[k];
      if (k != j) sum += apart == 0 ? INFINITY : std::pow(at(i, k) / apart, 2);
    }
    return squares[0] * std::sqrt(sum);
  }
  // Kernels solve in f64, whose roundings, as many as eigh's, move each vector toward the others.
  double error_of_solver(size_t i, size_t j) const {
    return 4 * double(2 + length) * unit_of(Dtype::kF64) * (1 + sensitivity(i, j));
  }
};

inline SingularBasis singular_basis(const double* x, const Projection& p) {
  const int64_t rows = p.of.rows, columns = p.of.columns;
  SingularBasis basis{size_t(p.length()), size_t(p.vectors()), {}, {}};
  double largest = 0;
  for (int64_t i = 0; i < rows * columns; ++i) largest = std::max(largest, std::abs(x[i]));
  const double unit = largest == 0 ? 1 : largest;
  const size_t n = basis.length;
  Vector gram(n * n), vectors(n * n);
  for (size_t a = 0; a < n; ++a) {
    vectors[a * n + a] = 1;
    for (size_t b = 0; b < n; ++b)
      for (int64_t k = 0; k < (p.is_left ? columns : rows); ++k) {
        const auto element = [&](size_t i) {
          return (p.is_left ? x[int64_t(i) * columns + k] : x[k * columns + int64_t(i)]) / unit;
        };
        gram[a * n + b] += element(a) * element(b);
      }
  }
  rotate_to_diagonal(gram, vectors, n);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return gram[i * n + i]; });
  basis.squares.resize(n), basis.all.resize(n * n);
  for (size_t j = 0; j < n; ++j) {
    const size_t from = order[j];
    const double sign = sign_of(n, [&](size_t i) { return vectors[i * n + from]; });
    basis.squares[j] = gram[from * n + from];
    for (size_t i = 0; i < n; ++i) basis.all[i * n + j] = sign * vectors[i * n + from];
  }
  return basis;
}

inline bool is_finite(const double* x, int64_t size) {
  return std::all_of(x, x + size, [](double v) { return std::isfinite(v); });
}

}  // namespace orthokit::bench
