// What the softmax of one row is made of.
#pragma once
#include <cmath>
#include <limits>

#include "cpu/exp.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The largest of n elements, passing over NaN; −inf if there is none.
template <class T>
T max_of(const T* x, int64_t n) {
  constexpr T kLeast = -std::numeric_limits<T>::infinity();
  T lanes[16];
  for (T& lane : lanes) lane = kLeast;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int k = 0; k < 16; ++k) lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
  T largest = kLeast;
  for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  for (T lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

// Σ exp(xᵢ − max). A row without a finite maximum gives NaN.
template <class T>
double sum_of_exps(const T* x, int64_t n, T max) {
  return sum_of(n, [=](int64_t i) { return exp_of_negative(double(x[i]) - double(max)); });
}

// out = factor · exp(x − max) / Σ exp(x − max), and that sum. out may be x.
template <class T>
double softmax(const T* x, int64_t n, T max, double factor, T* out) {
  const double sum = sum_of(n, [=](int64_t i) {
    const double e = exp_of_negative(double(x[i]) - double(max));
    out[i] = T(e);
    return e;
  });
  const double scale = factor / sum;
  for (int64_t i = 0; i < n; ++i) out[i] = T(double(out[i]) * scale);
  return sum;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
