#include "ops/gather/combine_rows.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/fused.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

constexpr int kAtOnce = 8;            // rows of which a sum takes all while it is in a register
constexpr int64_t kMostTile = 16384;  // sums that stay in L2 while the rows pass

// Elements of a tile: memory gives long stretches of a row faster, and threads want many tiles.
static int64_t tile_of(int64_t columns) {
  return std::clamp<int64_t>(columns / 64 / 64 * 64, kMostTile / 8, kMostTile);
}

// sums += Σₖ factorₖ · rowₖ, in this order.
template <class S>
static void add_rows(const S* const* rows, const double* factors, int64_t n, double* sums) {
  const S* row[kAtOnce];
  double factor[kAtOnce];
  std::copy_n(rows, kAtOnce, row), std::copy_n(factors, kAtOnce, factor);
  for (int64_t j = 0; j < n; ++j) {
    double sum = sums[j];
#pragma GCC unroll 8
    for (int k = 0; k < kAtOnce; ++k) sum = fused(factor[k], convert<double>(row[k][j]), sum);
    sums[j] = sum;
  }
}

template <class S>
static void add_row(const S* row, double factor, int64_t n, double* sums) {
  for (int64_t j = 0; j < n; ++j) sums[j] = fused(factor, convert<double>(row[j]), sums[j]);
}

// Elements `at` to `at` + n of one row of out.
template <class S, class T, class C>
static void combine_tile(const CombineRows& op, int64_t i, int64_t at, int64_t n) {
  alignas(64) double sums[kMostTile];
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1], terms = op.coefficients.shape[1];
  const int32_t* indices = op.indices ? op.indices.as<int32_t>() + i * terms : nullptr;
  const C* coefficients = op.coefficients.as<C>() + i * terms;
  std::fill_n(sums, n, 0.0);
  const S* found[kAtOnce];
  double factors[kAtOnce];
  int count = 0;
  for (int64_t t = 0; t < terms; ++t) {
    const int64_t row = indices ? indices[t] : t;
    if (row < 0 || row >= rows) continue;
    found[count] = op.x.as<S>() + row * columns + at;
    factors[count] = double(coefficients[t]);
    if (++count == kAtOnce) add_rows(found, factors, n, sums), count = 0;
  }
  for (int k = 0; k < count; ++k) add_row(found[k], factors[k], n, sums);
  T* out = op.out.as<T>() + i * columns + at;
  for (int64_t j = 0; j < n; ++j) out[j] = T(sums[j]);
}

void combine_rows(const CombineRows& op, Stream& stream) {
  const int64_t columns = op.x.shape[1], terms = op.coefficients.shape[1];
  const int64_t tile = tile_of(columns);
  const int64_t tiles = std::max<int64_t>(1, (columns + tile - 1) / tile);
  visit_combined(op, [&]<class S, class T, class C>() {
    for_rows(stream, op.out.shape[0] * tiles, std::min(columns, tile) * (terms + 1),
             [&](int64_t first, int64_t last) {
               for (int64_t part = first; part < last; ++part) {
                 const int64_t at = part % tiles * tile;
                 combine_tile<S, T, C>(op, part / tiles, at, std::min(tile, columns - at));
               }
             });
  });
}
ORTHOKIT_KERNEL(CombineRows, combine_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
