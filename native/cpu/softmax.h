// Parts of the softmax of one row.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/convert.h"
#include "cpu/exp.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The largest of n elements, passing over NaN; −inf if there is none.
template <class T>
T max_of(const T* x, int64_t n) {
  constexpr int kLanes = 64, kFew = 8;
  T lanes[kLanes];
  for (T& lane : lanes) lane = -std::numeric_limits<T>::infinity();
  const auto larger = [](T a, T b) { return b > a ? b : a; };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) lanes[k] = larger(lanes[k], x[i + k]);
  for (; i + kFew <= n; i += kFew)
    for (int k = 0; k < kFew; ++k) lanes[k] = larger(lanes[k], x[i + k]);
  for (int k = 0; i < n; ++i, ++k) lanes[k] = larger(lanes[k], x[i]);
    // By halves: one after the other, each would wait for the one before.
#pragma GCC unroll 6
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] = larger(lanes[k], lanes[k + half]);
  return lanes[0];
}

// out = exp(x − max) in units, and the sum of these. out may be x.
template <class T>
double exps_of(const T* x, int64_t n, T max, T* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = exp_of_difference(x[i], max);
  return sum_of(n, [out](int64_t i) { return double(out[i]); });
}

// Σ exp(xᵢ − max). A row without a finite maximum gives NaN.
template <class T>
double sum_of_exps(const T* x, int64_t n, T max) {
  T exps[kBlock];
  double sum = 0;
  for (int64_t at = 0; at < n; at += kBlock)
    sum += exps_of(x + at, std::min(kBlock, n - at), max, exps);
  return sum / double(kExpOfDifferenceUnit<T>);
}

// x = scale · x, rounded once, in f32 alone where the processor fuses and scale in two parts has
// all digits.
template <class T>
void multiply_by(double scale, int64_t n, T* x) {
#ifdef __FMA__
  const double size = std::abs(scale);
  if (sizeof(T) == 4 && size > 1e-28 && size < 1e28) {
    const T high = T(scale), low = T(scale - double(high));
    for (int64_t i = 0; i < n; ++i) x[i] = fused(x[i], high, x[i] * low);
    return;
  }
#endif
  for (int64_t i = 0; i < n; ++i) x[i] = T(double(x[i]) * scale);
}

// out = factor · exp(x − max) / Σ exp(x − max), and that sum in units. out may be x.
template <class T>
double softmax(const T* x, int64_t n, T max, double factor, T* out) {
  const double sum = exps_of(x, n, max, out);
  multiply_by(factor / sum, n, out);
  return sum;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
