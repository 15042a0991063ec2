// Sums in f64 with a fixed order: eight running sums, so that the compiler may use SIMD without
// changing a bit.
#pragma once
#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Σ term(i) for i < n.
template <class Term>
double sum_of(int64_t n, Term&& term) {
  double lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) lanes[k] += term(i + k);
  for (int k = 0; i < n; ++i, ++k) lanes[k] += term(i);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

template <class T>
double sum_of_squares(const T* x, int64_t n) {
  return sum_of(n, [x](int64_t i) { return double(x[i]) * double(x[i]); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
