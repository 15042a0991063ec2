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

template <class T>
double sum_of_squares(const T* x, int64_t n) {
  return sum_of(n, [x](int64_t i) { return double(x[i]) * double(x[i]); });
}

// Sixteen f32, on every processor. (Not returned: ABIs differ on such vectors.)
using Floats = float __attribute__((vector_size(64)));
struct __attribute__((packed, may_alias)) UnalignedFloats {
  Floats floats __attribute__((aligned(4)));
};
inline const UnalignedFloats* floats_at(const float* x) {
  return reinterpret_cast<const UnalignedFloats*>(x);
}
inline double total_of_floats(const Floats& sums) {
  double totals[16];
  for (int k = 0; k < 16; ++k) totals[k] = double(sums[k]);
  for (int half = 8; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) totals[k] += totals[k + half];
  return totals[0];
}

// The same for a block of a few thousand elements at most, in f32 lanes where that loses nothing
// but rounding: twice as fast, and right to a few units of f32.
inline double block_sum_of_squares(const float* x, int64_t n) {
  Floats sums[2] = {};
  int64_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int half = 0; half < 2; ++half) {
      const Floats v = floats_at(x + i + 16 * half)->floats;
      sums[half] += v * v;
    }
  sums[0] += sums[1];
  double sum = total_of_floats(sums[0]);
  for (; i < n; ++i) sum += double(x[i]) * double(x[i]);
  // Squares may have left the range of f32, or lost digits at its lower end.
  return sum >= 1e-30 && sum <= 1e37 ? sum : sum_of_squares(x, n);
}
inline double block_sum_of_squares(const double* x, int64_t n) { return sum_of_squares(x, n); }

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
