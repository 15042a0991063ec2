// Reductions of a piece of a row or column, and of the pieces' results.
#pragma once
#include <cmath>
#include <limits>

#include "cpu/sums.h"
#include "ops/reduction.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The larger one; NaN if one of them is.
template <class T>
T larger(T a, T b) {
  const T most = b > a ? b : a;  // a where it is NaN
  return b != b ? b : most;
}

// The largest of n elements; NaN if there is one, −inf of none.
template <class T>
T max_or_nan(const T* x, int64_t n) {
  constexpr int kLanes = 16;
  T lanes[kLanes];
  for (T& lane : lanes) lane = -std::numeric_limits<T>::infinity();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) lanes[k] = larger(lanes[k], x[i + k]);
  T largest = -std::numeric_limits<T>::infinity();
  for (; i < n; ++i) largest = larger(largest, x[i]);
  for (T lane : lanes) largest = larger(largest, lane);
  return largest;
}

inline double start_of(Reduction r) { return r == Reduction::kMax ? -HUGE_VAL : 0; }
inline double joined(Reduction r, double a, double b) {
  return r == Reduction::kMax ? larger(a, b) : a + b;
}
inline double finished(Reduction r, double total, int64_t count) {
  return r == Reduction::kMean ? total / double(count) : total;
}

template <class T>
double reduced(Reduction r, const T* x, int64_t n) {
  if (r == Reduction::kMax) return double(max_or_nan(x, n));
  if (r == Reduction::kSumOfSquares) return sum_of_squares(x, n);
  return sum_of(n, [x](int64_t i) { return double(x[i]); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
