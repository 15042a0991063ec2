// Exponentials of eight doubles at once, and of rows of them.
#pragma once
#include <algorithm>
#include <limits>

#include "cpu/doubles.h"
#include "cpu/elementary.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr double kInfinite = std::numeric_limits<double>::infinity();

inline void add_product(Eight& sum, const Eight& a, const Eight& b) {
  multiply_add(a, b, sum, sum);
}

// Of exp(r) for |r| ≤ ln 2 / 2, from the highest power down: fitted at Chebyshev's points, within
// 1.6e-17 of exp(r).
inline constexpr double kExpOfRest[] = {0x1.af635e4f6b5eep-26,
                                        0x1.28b43a93fe57ap-22,
                                        0x1.71ddf5514be0cp-19,
                                        0x1.a01991731e6fap-16,
                                        0x1.a01a01b150ad2p-13,
                                        0x1.6c16c1881156bp-10,
                                        0x1.111111110f205p-7,
                                        0x1.555555554f067p-5,
                                        0x1.555555555555ap-3,
                                        0x1.0000000000011p-1,
                                        1.0,
                                        1.0};

// exp(x) within 2 ulp; 0 below −708, where the result would be subnormal, infinity above 709, NaN
// for NaN. out may be x.
__attribute__((always_inline)) inline void exp_of_eight(const Doubles& x, Doubles& out) {
#ifdef __AVX512F__
  const __m512d v = __m512d(x);
  const __m512d k = _mm512_roundscale_pd(_mm512_mul_pd(v, _mm512_set1_pd(std::numbers::log2e)),
                                         _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln 2 in two parts: k times the first is exact.
  __m512d r = _mm512_fnmadd_pd(k, _mm512_set1_pd(math::kLogTwo), v);
  r = _mm512_fnmadd_pd(k, _mm512_set1_pd(math::kLogTwoRest), r);
  __m512d p = _mm512_set1_pd(kExpOfRest[0]);
#pragma GCC unroll 11
  for (int i = 1; i < 12; ++i) p = _mm512_fmadd_pd(p, r, _mm512_set1_pd(kExpOfRest[i]));
  const __m512d exp = _mm512_scalef_pd(p, k), top = _mm512_set1_pd(math::kMostExponent);
  const __mmask8 low = _mm512_cmp_pd_mask(v, _mm512_set1_pd(math::kLeastExponent), _CMP_LT_OQ);
  const __mmask8 high = _mm512_cmp_pd_mask(v, top, _CMP_GT_OQ);
  out = Eight(_mm512_mask_mov_pd(_mm512_mask_mov_pd(exp, low, _mm512_setzero_pd()), high,
                                 _mm512_set1_pd(kInfinite)));
#else
  const Doubles none{}, shift = none + kRoundingShift, top = none + math::kMostExponent;
  const auto high = x > top, low = x < none + math::kLeastExponent;
  Doubles held, shifted, r;
  select(high, top, x, held);
  multiply_add(held, none + std::numbers::log2e, shift, shifted);
  const Doubles k = shifted - shift;
  multiply_add(k, none - math::kLogTwo, held, r);
  multiply_add(k, none - math::kLogTwoRest, r, r);
  Doubles p = none + kExpOfRest[0];
#pragma GCC unroll 11
  for (int i = 1; i < 12; ++i) multiply_add(p, r, none + kExpOfRest[i], p);
  p *= Doubles((Vector<uint64_t>(shifted) << 52) + (uint64_t(1023) << 52));
  select(low, none, p, p);
  select(high, none + kInfinite, p, out);
#endif
}
template <class Half>
__attribute__((always_inline)) inline void exp_of_eight(const Pair<Half>& x, Pair<Half>& out) {
  exp_of_eight(x.low, out.low), exp_of_eight(x.high, out.high);
}

// Of 2ʳ for |r| ≤ 1/2, likewise, within 2e-17 of it.
inline constexpr double kPowerOfRest[] = {
    0x1.e9ec1fcb69a7fp-32, 0x1.e6228acd1c6e5p-28, 0x1.b524ebd13a55fp-24, 0x1.62bfc2c86d700p-20,
    0x1.ffcbfc6da6ed1p-17, 0x1.430913112c61bp-13, 0x1.5d87fe78a3f9cp-10, 0x1.3b2ab6fb9f1a5p-7,
    0x1.c6b08d704a0c6p-5,  0x1.ebfbdff82c5aep-3,  0x1.62e42fefa39efp-1,  1.0};

// 2ˣ within 1.1 ulp, in fewer steps than eˣ; 0 below −1021, where the result would be near the
// subnormal ones, infinity from 1024 on at the latest and not below 1023.5, NaN for NaN. out may be
// x.
__attribute__((always_inline)) inline void power_of_eight(const Doubles& x, Doubles& out) {
#ifdef __AVX512F__
  const __m512d v = _mm512_min_pd(_mm512_set1_pd(1024), __m512d(x));  // NaN passes
  const __m512d k = _mm512_roundscale_pd(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512d r = _mm512_sub_pd(v, k);
  __m512d p = _mm512_set1_pd(kPowerOfRest[0]);
#pragma GCC unroll 11
  for (int i = 1; i < 12; ++i) p = _mm512_fmadd_pd(p, r, _mm512_set1_pd(kPowerOfRest[i]));
  const __mmask8 high = _mm512_cmp_pd_mask(v, _mm512_set1_pd(-1021), _CMP_NLT_UQ);
  out = Doubles(_mm512_maskz_scalef_pd(high, p, k));
#else
  const Doubles none{}, shift = none + kRoundingShift;
  Doubles held;
  lesser_of(none + 1024, x, held);
  const Doubles shifted = held + shift, r = held - (shifted - shift), square = r * r;
  // Even and odd powers apart, but for the lowest two, where rounding shows: these chains are half
  // as long, and the processor does not see far enough ahead to fill up the wait for one.
  Doubles p = none + kPowerOfRest[0], even = none + kPowerOfRest[1];
#pragma GCC unroll 4
  for (int i = 2; i < 10; i += 2) {
    multiply_add(p, square, none + kPowerOfRest[i], p);
    multiply_add(even, square, none + kPowerOfRest[i + 1], even);
  }
  multiply_add(p, r, even, p);
  multiply_add(p, r, none + kPowerOfRest[10], p);
  multiply_add(p, r, none + kPowerOfRest[11], p);
  p *= Doubles((Vector<uint64_t>(shifted) << 52) + (uint64_t(1023) << 52));
  select(x < none - 1021, none, p, out);
#endif
}
template <class Half>
__attribute__((always_inline)) inline void power_of_eight(const Pair<Half>& x, Pair<Half>& out) {
  power_of_eight(x.low, out.low), power_of_eight(x.high, out.high);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
