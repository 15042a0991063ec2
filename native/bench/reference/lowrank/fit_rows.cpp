#include "ops/lowrank/fit_rows.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

namespace {

using Line = std::vector<long double>;

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
      std::vector<Line> products(size_t(n), Line(size_t(n), 0));
      Line right(size_t(n), 0);
      equations.each(i, [&](const double* x, double target) {
        for (size_t j = 0; j < right.size(); ++j) {
          right[j] += static_cast<long double>(target) * x[j];
          for (size_t k = 0; k < right.size(); ++k)
            products[j][k] += static_cast<long double>(x[j]) * x[k];
        }
      });
      for (size_t j = 0; j < right.size(); ++j) products[j][j] += op.ridge;
      Line w = right;
      is_singular = !equations.solve(products, w);
      if (is_singular) {
        long double trace = 0;
        for (size_t j = 0; j < right.size(); ++j) trace += products[j][j];
        for (size_t j = 0; j < right.size(); ++j) products[j][j] += kRaised * trace / double(n);
        w = right;
        equations.solve(products, w);
      }
      for (int64_t j = 0; j < n; ++j) out[j] = double(w[size_t(j)]);
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
