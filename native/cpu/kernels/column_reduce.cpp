#include "ops/column_reduce.h"

#include <algorithm>

#include "cpu/reduction.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kTile = 256;  // rows and columns: fixed, as the order of the sums must be

// Takes a row's elements into the results of their columns.
template <class T>
static void take_row(Reduction r, const T* x, int64_t n, double* totals) {
  if (r == Reduction::kMax)
    for (int64_t j = 0; j < n; ++j) totals[j] = larger(totals[j], double(x[j]));
  else if (r == Reduction::kSumOfSquares)
    for (int64_t j = 0; j < n; ++j) totals[j] += double(x[j]) * double(x[j]);
  else
    for (int64_t j = 0; j < n; ++j) totals[j] += double(x[j]);
}

template <class T, class Out>
static void column_reduce(const ColumnReduce& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  const int64_t bands = (rows + kTile - 1) / kTile, panels = (columns + kTile - 1) / kTile;
  const Reduction r = op.reduction;
  auto* partial = stream.scratch<double>(bands * columns);
  stream.parallel(bands * panels, [&](int64_t part) {
    const int64_t top = part / panels * kTile, left = part % panels * kTile;
    const int64_t bottom = std::min(rows, top + kTile), width = std::min(kTile, columns - left);
    double totals[kTile];
    std::fill_n(totals, kTile, start_of(r));
    for (int64_t i = top; i < bottom; ++i)
      take_row(r, op.x.as<T>() + i * columns + left, width, totals);
    std::copy_n(totals, width, partial + part / panels * columns + left);
  });
  Out* out = op.out.as<Out>();
  stream.parallel(panels, [&](int64_t panel) {
    const int64_t left = panel * kTile, right = std::min(columns, left + kTile);
    for (int64_t j = left; j < right; ++j) {
      double total = start_of(r);
      for (int64_t band = 0; band < bands; ++band)
        total = joined(r, total, partial[band * columns + j]);
      out[j] = Out(finished(r, total, rows));
    }
  });
}

void column_reduce(const ColumnReduce& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    visit(op.out.dtype, [&]<class Out>() { column_reduce<T, Out>(op, stream); });
  });
}
ORTHOKIT_KERNEL(ColumnReduce, column_reduce);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
