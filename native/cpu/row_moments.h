// Mean and deviation of a row.
#pragma once
#include <cmath>

#include "cpu/doubles.h"
#include "cpu/fused.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct Moments {
  double mean, inverse;  // 1 / √(variance + eps)
};

// (x − mean) / deviation, computed as A.
template <class A>
struct Normalized {
  A high, low, inverse;  // the mean in two parts: x less the first is exact where it is near
  explicit Normalized(const Moments& m)
      : high(A(m.mean)), low(A(m.mean - double(high))), inverse(A(m.inverse)) {}
  A operator()(A x) const { return ((x - high) - low) * inverse; }
};

// Whether f32 holds 1 / √(variance + eps) with all its digits.
inline bool fits_float(const Moments& m) { return m.inverse > 1e-35 && m.inverse < 1e35; }

// body(a row's elements normalized): in T, or in f64 where T cannot.
template <class T, class Body>
void with_normalized(const Moments& m, Body&& body) {
  if (sizeof(T) == 4 && fits_float(m))
    body(Normalized<T>(m));
  else
    body(Normalized<double>(m));
}

// In one pass, of the distances d from an element of the row: n · variance = Σd² − (Σd)² / n, where
// Σd² is at most n times that, as the element's own distance from the mean is part of it. So a
// mean that is large beside the deviation costs f32 no digits.
inline Moments moments_of(const float* x, int64_t n, double eps) {
  const double pivot = n > 0 ? double(x[0]) : 0;
  Eight sums[4] = {}, squares[4] = {};
  int64_t j = 0;
  for (; j + 32 <= n; j += 32)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      Eight d;
      load_eight(x + j + 8 * k, d);
      d -= pivot, sums[k] += d, squares[k] += d * d;
    }
  Eight sum = (sums[0] + sums[1]) + (sums[2] + sums[3]),
        square = (squares[0] + squares[1]) + (squares[2] + squares[3]);
  for (; j < n; j += 8) {
    float rest[8];
    for (int k = 0; k < 8; ++k) rest[k] = j + k < n ? x[j + k] : x[0];
    Eight d;
    load_eight(rest, d);
    d -= pivot, sum += d, square += d * d;
  }
  const double shift = total_of(sum) / double(n),
               rest = total_of(square) / double(n) - shift * shift;
  return {pivot + shift, 1 / std::sqrt((rest < 0 ? 0 : rest) + eps)};
}

// In two passes: f64 has no digits to spare.
inline Moments moments_of(const double* x, int64_t n, double eps) {
  const double mean = sum_of(n, [x](int64_t j) { return x[j]; }) / double(n);
  const double squares = sum_of(n, [=](int64_t j) {
    const double d = x[j] - mean;
    return d * d;
  });
  return {mean, 1 / std::sqrt(squares / double(n) + eps)};
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
