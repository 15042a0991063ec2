#include "ops/lowrank/fit_rows.h"

#include "bench/reference/operands.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {

namespace {

using Line = std::vector<long double>;

// A sum that its roundings may move: where other sums cancel it, they are all that is left.
struct Sum {
  long double value = 0, size = 0;
  void add(long double term) { value += term, size += std::abs(term); }
  long double rounded(double rounding) const {
    const double by = rounding * double(size);
    return std::isfinite(by) ? value + remaining(0, by) : value;
  }
};

struct RowEquations {
  const FitRows& op;
  const int64_t n = op.x.shape[1];
  // f(line of x, target) for each entry of a row.
  template <class F>
  void each(int64_t row, F&& f) const {
    for (auto e = int64_t(values(op.starts)[row]); e < int64_t(values(op.starts)[row + 1]); ++e) {
      const auto column = int64_t(values(op.columns)[e]);
      if (column < 0 || column >= op.x.shape[0]) continue;
      f(values(op.x) + column * n,
        values(op.values)[e] - (op.shift ? values(op.shift)[column] : 0));
    }
  }
  // Gaussian elimination on a symmetric matrix with its right side; false where a pivot is small.
  bool solve(std::vector<Line> a, Line& b) const {
    bool good = true;
    const auto before = a;
    for (size_t k = 0; k < b.size(); ++k) {
      good = good && a[k][k] > least_pivot(n) * before[k][k] && a[k][k] < HUGE_VALL;
      for (size_t i = k + 1; i < b.size(); ++i) {
        const long double factor = a[k][k] == 0 ? 0 : a[i][k] / a[k][k];
        for (size_t j = k; j < b.size(); ++j) a[i][j] -= factor * a[k][j];
        b[i] -= factor * b[k];
      }
    }
    for (size_t k = b.size(); k-- > 0;) {
      for (size_t j = k + 1; j < b.size(); ++j) b[k] -= a[k][j] * b[j];
      b[k] = a[k][k] == 0 ? 0 : b[k] / a[k][k];
    }
    return good;
  }
};

}  // namespace

static void fit_rows(const FitRows& op) {
  const RowEquations equations{op};
  const int64_t n = op.x.shape[1];
  const double* starts = values(op.starts);
  for (int64_t i = 0; i < op.out.shape[0]; ++i) {
    double* out = values(op.out) + i * n;
    const bool exists =
        entry_range(int64_t(starts[i]), int64_t(starts[i + 1]), op.columns.shape[0]).exists;
    bool is_singular = !exists;
    double squares = NAN;
    for (int64_t j = 0; j < n; ++j) out[j] = NAN;
    if (exists) {
      // Sums round, and so does the factor of the matrix, as much as if its elements were others.
      const double rounding = double(4 + n) * unit_of(Dtype::kF64);
      std::vector<Line> products(size_t(n), Line(size_t(n), 0));
      Line right(size_t(n), 0);
      for (size_t j = 0; j < right.size(); ++j) {
        Sum on_right;
        equations.each(i, [&](const double* x, double target) {
          on_right.add(static_cast<long double>(target) * x[j]);
        });
        right[j] = on_right.rounded(rounding);
        for (size_t k = 0; k <= j; ++k) {
          Sum sum;
          equations.each(
              i, [&](const double* x, double) { sum.add(static_cast<long double>(x[j]) * x[k]); });
          if (j == k) sum.add(op.ridge);
          products[j][k] = products[k][j] = sum.rounded(rounding);
        }
      }
      Line w = right;
      is_singular = !equations.solve(products, w);
      if (is_singular) {
        long double trace = 0;
        for (size_t j = 0; j < right.size(); ++j) trace += products[j][j];
        for (size_t j = 0; j < right.size(); ++j) products[j][j] += kRaised * trace / double(n);
        w = right;
        equations.solve(products, w);
      }
      // The squares are of w as it is stored.
      for (int64_t j = 0; j < n; ++j) {
        const double own = double(w[size_t(j)]);
        out[j] = remaining(own, unit_of(op.x.dtype) * std::abs(own));
      }
      squares = 0;
      equations.each(i, [&](const double* x, double target) {
        long double residual = target;
        for (int64_t j = 0; j < n; ++j) residual -= static_cast<long double>(out[j]) * x[j];
        squares += double(residual * residual);
      });
    }
    if (op.squares) values(op.squares)[i] = squares;
    if (op.singular) values(op.singular)[i] = is_singular;
  }
}
// In f32 nothing rounds but w, on which the squares stand: all else is in f64.
ORTHOKIT_REFERENCE(FitRows, fit_rows,
                   64 * (op.x.dtype == Dtype::kF64 ? double(4 + op.x.shape[1]) : 1));

}  // namespace orthokit::bench
