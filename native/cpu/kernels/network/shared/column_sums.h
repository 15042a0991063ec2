// Sums down the columns of a matrix in f64: rows in bands; within one, some columns at a time,
// whose sums stay in registers.
#pragma once
#include "cpu/doubles.h"
#include "cpu/kernels/network/shared/row_bands.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Eight elements of any dtype as doubles, or one.
template <class V, class S>
__attribute__((always_inline)) inline void load_wide(const S* from, V& out) {
  if constexpr (std::is_same_v<V, double>) {
    out = convert<double>(*from);
  } else if constexpr (sizeof(S) >= sizeof(float)) {
    load_eight(from, out);
  } else {
    float buffer[8];
    for (int i = 0; i < 8; ++i) buffer[i] = convert<float>(from[i]);
    load_eight(buffer, out);
  }
}
__attribute__((always_inline)) inline void add_wide(double v, double* to) { *to += v; }
__attribute__((always_inline)) inline void add_wide(const Eight& v, double* to) {
  Eight old;
  load_eight(to, old);
  store_eight(old + v, to);
}

// Adds a band to kSums sums of each column, one after the other. term.operator()<V>(at, j, sums)
// adds what the elements from `at` on, in columns from j on, count for, as V.
template <int kSums, class Term>
void add_rows(int64_t first, int64_t last, int64_t columns, double* sums, const Term& term) {
  // As many eights as leave registers for what a term loads.
  constexpr int kEights = kVectorSize<double> / 2;
  const auto run = [&]<class V, int count>(int64_t j, std::integral_constant<int, count>) {
    constexpr int kStep = std::is_same_v<V, double> ? 1 : 8;
    V own[count][kSums] = {};
    for (int64_t i = first; i < last; ++i)
#pragma GCC unroll 4
      for (int k = 0; k < count; ++k)
        term.template operator()<V>(i * columns + j + k * kStep, j + k * kStep, own[k]);
    for (int k = 0; k < count; ++k)
      for (int s = 0; s < kSums; ++s) add_wide(own[k][s], sums + s * columns + j + k * kStep);
  };
  int64_t j = 0;
  for (; j + 8 * kEights <= columns; j += 8 * kEights)
    run.template operator()<Eight>(j, std::integral_constant<int, kEights>());
  for (; j + 8 <= columns; j += 8)
    run.template operator()<Eight>(j, std::integral_constant<int, 1>());
  for (; j < columns; ++j) run.template operator()<double>(j, std::integral_constant<int, 1>());
}

// [kSums, columns] sums of all rows, in scratch memory.
template <int kSums, class Term>
double* sum_columns(Stream& stream, int64_t rows, int64_t columns, const Term& term) {
  const RowBands bands(rows, columns);
  const int64_t size = kSums * columns;
  auto* sums = stream.scratch<double>(std::max<int64_t>(1, bands.count) * size);
  std::fill_n(sums, size, 0.0);
  stream.parallel(bands.count, [&](int64_t band) {
    double* own = sums + band * size;
    std::fill_n(own, size, 0.0);
    const int64_t first = band * bands.height, last = std::min(rows, first + bands.height);
    add_rows<kSums>(first, last, columns, own, term);
  });
  for (int64_t band = 1; band < bands.count; ++band)
    for (int64_t s = 0; s < size; ++s) sums[s] += sums[band * size + s];
  return sums;
}

// for_rows from the last rows to the first: those that were summed last are in cache.
template <class Body>
void for_rows_back(Stream& stream, int64_t rows, int64_t columns, Body&& body) {
  for_rows(stream, rows, columns,
           [&](int64_t first, int64_t last) { body(rows - last, rows - first); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
