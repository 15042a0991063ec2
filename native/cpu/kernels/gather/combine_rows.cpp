#include "ops/gather/combine_rows.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/fused.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

constexpr int64_t kTile = 2048;  // sums that stay in L1 while the rows pass
constexpr int kAtOnce = 8;       // rows of which a sum takes all while it is in a register

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
template <class S, class T>
static void combine_tile(const CombineRows& op, int64_t i, int64_t at, int64_t n) {
  alignas(64) double sums[kTile];
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1], terms = op.indices.shape[1];
  const int32_t* indices = op.indices.as<int32_t>() + i * terms;
  const T* coefficients = op.coefficients.as<T>() + i * terms;
  std::fill_n(sums, n, 0.0);
  const S* found[kAtOnce];
  double factors[kAtOnce];
  int count = 0;
  for (int64_t t = 0; t < terms; ++t) {
    if (indices[t] < 0 || indices[t] >= rows) continue;
    found[count] = op.x.as<S>() + indices[t] * columns + at;
    factors[count] = double(coefficients[t]);
    if (++count == kAtOnce) add_rows(found, factors, n, sums), count = 0;
  }
  for (int k = 0; k < count; ++k) add_row(found[k], factors[k], n, sums);
  T* out = op.out.as<T>() + i * columns + at;
  for (int64_t j = 0; j < n; ++j) out[j] = T(sums[j]);
}

void combine_rows(const CombineRows& op, Stream& stream) {
  const int64_t columns = op.x.shape[1], terms = op.indices.shape[1];
  const int64_t tiles = std::max<int64_t>(1, (columns + kTile - 1) / kTile);
  const auto run = [&]<class S, class T>() {
    for_rows(stream, op.out.shape[0] * tiles, std::min(columns, kTile) * (terms + 1),
             [&](int64_t first, int64_t last) {
               for (int64_t part = first; part < last; ++part) {
                 const int64_t at = part % tiles * kTile;
                 combine_tile<S, T>(op, part / tiles, at, std::min(kTile, columns - at));
               }
             });
  };
  if (op.x.dtype == op.out.dtype)
    visit(op.x.dtype, [&]<class T>() { run.template operator()<T, T>(); });
  else
    visit_half(op.x.dtype, [&]<class S>() { run.template operator()<S, float>(); });
}
ORTHOKIT_KERNEL(CombineRows, combine_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
