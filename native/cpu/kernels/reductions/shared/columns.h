// Reductions of the columns of a matrix.
#pragma once
#include <algorithm>

#include "cpu/kernels/reductions/shared/reduction.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The part of a matrix that is reduced at once: fixed, as the order of the sums must be. Results of
// a panel's width stay in L1.
inline constexpr int64_t kBandRows = 256, kPanelColumns = 1024;

// totals[j] += Σ term(x[i, j]) over `rows` rows, eight in one pass, so that the totals are read and
// written seldom.
template <class T, class Term>
void add_rows_to(double* __restrict totals, const T* x, int64_t stride, int64_t rows, int64_t n,
                 Term&& term) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    const T *a = x + i * stride, *b = a + stride, *c = b + stride, *d = c + stride, *e = d + stride,
            *f = e + stride, *g = f + stride, *h = g + stride;
    for (int64_t j = 0; j < n; ++j)
      totals[j] += ((term(a[j]) + term(b[j])) + (term(c[j]) + term(d[j]))) +
                   ((term(e[j]) + term(f[j])) + (term(g[j]) + term(h[j])));
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j) totals[j] += term(x[i * stride + j]);
}

// The maxima of the columns pass over NaN, which is noted beside them.
template <class T>
void take_larger(T* __restrict largest, T* __restrict nan, const T* x, int64_t stride, int64_t rows,
                 int64_t n) {
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  const auto more = [](T a, T b) { return b > a ? b : a; };
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const T *a = x + i * stride, *b = a + stride, *c = b + stride, *d = c + stride;
    for (int64_t j = 0; j < n; ++j) {
      largest[j] = more(more(more(more(largest[j], a[j]), b[j]), c[j]), d[j]);
      const bool one = __builtin_isunordered(a[j], b[j]) | __builtin_isunordered(c[j], d[j]);
      nan[j] = one ? kNaN : nan[j];
    }
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const T v = x[i * stride + j];
      largest[j] = more(largest[j], v), nan[j] = v != v ? kNaN : nan[j];
    }
}

// The results of n ≤ kPanelColumns columns.
template <class T>
void reduce_columns(Reduction r, const T* x, int64_t stride, int64_t rows, int64_t n,
                    double* totals) {
  std::fill_n(totals, n, start_of(r));
  if (r == Reduction::kMax) {
    T largest[kPanelColumns], nan[kPanelColumns];
    std::fill_n(largest, n, -std::numeric_limits<T>::infinity());
    std::fill_n(nan, n, T(0));
    take_larger(largest, nan, x, stride, rows, n);
    for (int64_t j = 0; j < n; ++j) totals[j] = nan[j] != nan[j] ? nan[j] : largest[j];
  } else if (r == Reduction::kSumOfSquares || r == Reduction::kNorm) {
    add_rows_to(totals, x, stride, rows, n, [](T v) { return squared(double(v)); });
    for (int64_t j = 0; r == Reduction::kNorm && j < n; ++j)
      totals[j] = norm_of<T>(totals[j], [&](double scale) {
        return sum_of(rows, [=](int64_t i) { return squared(scale * double(x[i * stride + j])); });
      });
  } else {
    add_rows_to(totals, x, stride, rows, n, [](T v) { return double(v); });
  }
}

// done(b · columns + j, result) for every column j of each of `batch` matrices.
template <class T, class Done>
void reduce_columns(Reduction r, const T* x, int64_t batch, int64_t rows, int64_t columns,
                    Stream& stream, Done&& done) {
  const int64_t bands = (rows + kBandRows - 1) / kBandRows,
                panels = (columns + kPanelColumns - 1) / kPanelColumns;
  auto* partial = stream.scratch<double>(batch * bands * columns);
  stream.parallel(batch * bands * panels, [&](int64_t part) {
    const int64_t line = part / panels, matrix = line / bands;
    const int64_t top = line % bands * kBandRows, left = part % panels * kPanelColumns;
    reduce_columns(r, x + (matrix * rows + top) * columns + left, columns,
                   std::min(kBandRows, rows - top), std::min(kPanelColumns, columns - left),
                   partial + line * columns + left);
  });
  stream.parallel(batch * panels, [&](int64_t part) {
    const int64_t matrix = part / panels, left = part % panels * kPanelColumns;
    const int64_t right = std::min(columns, left + kPanelColumns);
    for (int64_t j = left; j < right; ++j) {
      double total = start_of(r);
      for (int64_t band = 0; band < bands; ++band)
        total = joined(r, total, partial[(matrix * bands + band) * columns + j]);
      done(matrix * columns + j, total);
    }
  });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
