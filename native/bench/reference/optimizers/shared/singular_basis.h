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
  Vector all;  // length × vectors: vector j is column j; zeros where a longer side has no vector

  double at(size_t i, size_t j) const { return all[i * vectors + j]; }
  // By how much vector j's element i moves, where the squares move by the largest one's `rounding`,
  // to first order (Golub and Van Loan, 8.3). Directions beyond the vectors are those of square 0.
  double sensitivity(size_t i, size_t j) const {
    if (length == 0 || squares[0] == 0) return 0;
    double sum = 0, beyond = length > vectors ? 1 : 0;
    const auto add = [&](double part, double apart) {
      sum += apart == 0 ? INFINITY : part / (apart * apart);
    };
    for (size_t k = 0; k < vectors; ++k) {
      const double part = std::pow(at(i, k), 2);
      if (k != j) add(part, squares[j] - squares[k]);
      beyond -= part;
    }
    if (length > vectors) add(std::max(0.0, beyond), squares[j]);
    return squares[0] * std::sqrt(sum);
  }
  // Kernels solve in f64, whose roundings, as many as eigh's, move each vector toward the others.
  double error_of_solver(size_t i, size_t j) const {
    return 4 * double(2 + length) * unit_of(Dtype::kF64) * (1 + sensitivity(i, j));
  }
};

inline SingularBasis singular_basis(const double* x, const Projection& p) {
  const size_t rows = size_t(p.of.rows), columns = size_t(p.of.columns), n = size_t(p.vectors()),
               longer = std::max(rows, columns);
  SingularBasis basis{size_t(p.length()), n, {}, {}};
  double largest = 0;
  for (size_t i = 0; i < rows * columns; ++i) largest = std::max(largest, std::abs(x[i]));
  // The n lines of x that are as long as its longer side; V has the other side's vectors. Those
  // wanted of a square matrix are V's.
  const bool by_rows = rows < columns || (rows == columns && p.is_left);
  Vector lines(n * longer), turned(n * n);
  for (size_t a = 0; a < n; ++a) {
    turned[a * n + a] = 1;
    for (size_t k = 0; k < longer && largest > 0; ++k)
      lines[a * longer + k] = (by_rows ? x[a * columns + k] : x[k * columns + a]) / largest;
  }
  const Vector found = rotate_to_orthogonal(lines, turned, n);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return found[i]; });
  basis.squares.resize(basis.length), basis.all.resize(basis.length * n);
  for (size_t j = 0; j < n; ++j) {
    const size_t from = order[j];
    basis.squares[j] = found[from];
    const double norm = std::sqrt(found[from]);
    const auto element = [&](size_t i) {
      if (by_rows == p.is_left) return turned[from * n + i];
      if (largest == 0) return i == j ? 1.0 : 0.0;
      return norm == 0 ? 0 : lines[from * longer + i] / norm;
    };
    const double sign = sign_of(basis.length, element);
    for (size_t i = 0; i < basis.length; ++i) basis.all[i * n + j] = sign * element(i);
  }
  return basis;
}

inline bool is_finite(const double* x, int64_t size) {
  return std::all_of(x, x + size, [](double v) { return std::isfinite(v); });
}

}  // namespace orthokit::bench
