// Sums in f64 with a fixed order: many running sums, so that the compiler may use SIMD without
// changing a bit, and no addition waits for the one before.
#pragma once
#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int kSums = 32;

// By halves; unrolled, or each half would wait for the stores of the one before.
template <int count>
double total_of(double* sums) {
#pragma GCC unroll 5
  for (int half = count / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

struct NothingAhead {
  void operator()(int64_t) const {}
};

// Σ term(i) for i < n; ahead(i) is called before each kSums terms from i on.
template <class Term, class Ahead = NothingAhead>
double sum_of(int64_t n, Term&& term, const Ahead& ahead = {}) {
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    ahead(i);
    for (int k = 0; k < kSums; ++k) sums[k] += term(i + k);
  }
  for (int k = 0; i < n; ++i, ++k) sums[k] += term(i);
  return total_of<kSums>(sums);
}

template <class T>
double sum_of_squares(const T* x, int64_t n) {
  return sum_of(n, [x](int64_t i) { return double(x[i]) * double(x[i]); });
}

template <class T>
double sum_of_fourths(const T* x, int64_t n) {
  return sum_of(n, [x](int64_t i) {
    const double square = double(x[i]) * double(x[i]);
    return square * square;
  });
}

// A register of floats. (Not returned: ABIs differ on such vectors.)
#if defined(__AVX512F__)
inline constexpr int kFloats = 16;
#elif defined(__AVX__)
inline constexpr int kFloats = 8;
#else
inline constexpr int kFloats = 4;
#endif
using Floats = float __attribute__((vector_size(4 * kFloats)));
using UnalignedFloats =
    float __attribute__((vector_size(4 * kFloats), aligned(alignof(float)), may_alias));
inline const UnalignedFloats* floats_at(const float* x) {
  return reinterpret_cast<const UnalignedFloats*>(x);
}

// Running sums in f32, for a few thousand elements at most.
inline constexpr int kFloatSums = 4 * kFloats;
struct FloatSums {
  Floats sums[4] = {};
  double total() const {
    const Floats all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    double each[kFloats];
    for (int k = 0; k < kFloats; ++k) each[k] = double(all[k]);
    return total_of<kFloats>(each);
  }
};

// The same for a block, added in f32 where that loses nothing but rounding: three times as fast,
// and right to a few units of f32.
inline double block_sum_of_squares(const float* x, int64_t n) {
  FloatSums sums;
  int64_t i = 0;
  for (; i + kFloatSums <= n; i += kFloatSums)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const Floats v = *floats_at(x + i + k * kFloats);
      sums.sums[k] += v * v;
    }
  double sum = sums.total();
  for (; i < n; ++i) sum += double(x[i]) * double(x[i]);
  // Squares may have left the range of f32, or lost digits at its lower end.
  return sum >= 1e-30 && sum <= 1e37 ? sum : sum_of_squares(x, n);
}
inline double block_sum_of_squares(const double* x, int64_t n) { return sum_of_squares(x, n); }

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
