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

// A number as A, and what that lacks of it.
template <class A>
struct InParts {
  A high, low;
  explicit InParts(double x) : high(A(x)), low(A(x - double(high))) {}
};

// (x − mean) / deviation, computed as A. In f32 there are two roundings: that of the distance,
// which is exact where x is near the mean, and that of the result.
template <class A>
struct Normalized {
  InParts<A> mean, inverse;
  A offset;
  explicit Normalized(const Moments& m)
      : mean(m.mean), inverse(m.inverse), offset(A(double(-mean.low) * m.inverse)) {}
  A operator()(A x) const {
    const A distance = x - mean.high;
    return fused(distance, inverse.high, fused(distance, inverse.low, offset));
  }
};

// True if f32 holds both parts of a number with all digits that count.
inline bool fits_float(double x) { return std::abs(x) > 1e-25 && std::abs(x) < 1e25; }
// True if products and sums have one rounding in f32, as the bounds on errors need.
template <class T>
inline constexpr bool kFusedFloats = sizeof(T) == 4 && kHasFused;

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
      d -= pivot, sums[k] += d, multiply_add(d, d, squares[k], squares[k]);
    }
  Eight sum = (sums[0] + sums[1]) + (sums[2] + sums[3]),
        square = (squares[0] + squares[1]) + (squares[2] + squares[3]);
  for (; j < n; j += 8) {
    float rest[8];
    for (int k = 0; k < 8; ++k) rest[k] = j + k < n ? x[j + k] : x[0];
    Eight d;
    load_eight(rest, d);
    d -= pivot, sum += d, multiply_add(d, d, square, square);
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
