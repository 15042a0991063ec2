// Reductions of a piece of a row or column, and of the pieces' results.
#pragma once
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "cpu/sums.h"
#include "math/roots.h"
#include "ops/reductions/shared/reduction.h"
#include "ops/shared/square_range.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The larger one; NaN if one of them is.
template <class T>
T larger(T a, T b) {
  const T most = b > a ? b : a;  // a where it is NaN
  return b != b ? b : most;
}

// The largest of n elements; NaN if there is one, −inf of none. Compared as integers, whose maximum
// the compiler may take in any order: a float's bits, of negative ones all but the sign turned,
// have the order of the floats, with a positive NaN above infinity.
template <class T>
T max_or_nan(const T* x, int64_t n) {
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  constexpr Bits kNoSign = std::numeric_limits<Bits>::max();
  const auto turned = [](Bits bits) { return bits ^ (bits < 0 ? kNoSign : 0); };
  Bits largest = turned(std::bit_cast<Bits>(-std::numeric_limits<T>::infinity()));
  for (int64_t i = 0; i < n; ++i) {
    const Bits bits = turned(std::bit_cast<Bits>(x[i] != x[i] ? kNaN : x[i]));
    largest = bits > largest ? bits : largest;
  }
  return std::bit_cast<T>(turned(largest));
}

inline double squared(double x) { return x * x; }

inline double start_of(Reduction r) { return r == Reduction::kMax ? -HUGE_VAL : 0; }
inline double joined(Reduction r, double a, double b) {
  if (r == Reduction::kNorm) return math::root_of_sum(1.0, a, 1.0, b);
  return r == Reduction::kMax ? larger(a, b) : a + b;
}
inline double finished(Reduction r, double total, int64_t count) {
  return r == Reduction::kMean ? total / double(count) : total;
}

// The norm of elements whose squares add up to `sum`; scaled(s), where f64 cannot hold that, is the
// sum of those of the elements times s.
template <class T, class Scaled>
double norm_of(double sum, Scaled&& scaled) {
  const double scale = std::is_same_v<T, double> ? scale_for(sum) : 1;
  return std::sqrt(scale == 1 ? sum : scaled(scale)) / scale;
}

template <class T>
double reduced(Reduction r, const T* x, int64_t n) {
  if (r == Reduction::kMax) return double(max_or_nan(x, n));
  if (r == Reduction::kSumOfSquares) return sum_of_squares(x, n);
  if (r == Reduction::kNorm)
    return norm_of<T>(sum_of_squares(x, n), [&](double scale) {
      return sum_of(n, [=](int64_t i) { return squared(scale * double(x[i])); });
    });
  return sum_of(n, [x](int64_t i) { return double(x[i]); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
