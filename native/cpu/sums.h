// Sums in f64 with a fixed order: many running sums, so that the compiler may use SIMD without
// changing a bit, and no addition waits for the one before.
#pragma once
#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int kSums = 32;

// The running sums as one, by halves.
inline double total_of(double* sums) {
  for (int half = kSums / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

// Σ term(i) for i < n.
template <class Term>
double sum_of(int64_t n, Term&& term) {
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int k = 0; k < kSums; ++k) sums[k] += term(i + k);
  for (int k = 0; i < n; ++i, ++k) sums[k] += term(i);
  return total_of(sums);
}

// Eight elements as doubles, on every processor. (Not returned: ABIs differ on such vectors.)
using Doubles = double __attribute__((vector_size(64)));
template <class T>
void load_doubles(const T* x, Doubles& out) {
  struct __attribute__((packed, may_alias)) Eight {
    T values __attribute__((vector_size(8 * sizeof(T)), aligned(sizeof(T))));
  };
  out = __builtin_convertvector(reinterpret_cast<const Eight*>(x)->values, Doubles);
}

template <class T>
double sum_of_squares(const T* x, int64_t n) {
  return sum_of(n, [x](int64_t i) { return double(x[i]) * double(x[i]); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
