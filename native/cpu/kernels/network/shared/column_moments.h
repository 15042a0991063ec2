// Means and variances of the columns of a matrix in f64.
#pragma once
#include "cpu/kernels/network/shared/column_sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The first sum is of distances from `center`, the second of their squares.
template <class S>
struct DistanceSums {
  const S* x;
  const double* center;
  template <class V>
  __attribute__((always_inline)) void operator()(int64_t at, int64_t j, V (&sums)[2]) const {
    V value, middle;
    load_wide(x + at, value), load_wide(center + j, middle);
    const V distance = value - middle;
    sums[0] += distance, sums[1] += distance * distance;
  }
};

// In one pass where f64 has digits to spare: n · variance = Σd² − (Σd)² / n, where Σd² is at most
// n + 1 times that, as the first row's own distance from the mean is part of it. In two of f64,
// whose second sum of distances mends the mean. The matrix has a row.
template <class S>
void column_moments(const S* x, int64_t rows, int64_t columns, double* mean, double* variance,
                    Stream& stream) {
  const double count = double(rows);
  for (int64_t j = 0; j < columns; ++j) mean[j] = convert<double>(x[j]);
  for (int pass = std::is_same_v<S, double> ? 0 : 1; pass < 2; ++pass) {
    const double* sums = sum_columns<2>(stream, rows, columns, DistanceSums<S>{x, mean});
    for (int64_t j = 0; j < columns; ++j) {
      const double shift = sums[j] / count, rest = (sums[columns + j] - sums[j] * shift) / count;
      mean[j] += shift, variance[j] = rest < 0 ? 0 : rest;
    }
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
