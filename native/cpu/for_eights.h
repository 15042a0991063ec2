// Arrays in steps of eight, and what is left of them.
#pragma once
#include <type_traits>

#include "cpu/doubles.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// f(j, n) for j = 0, 8, 16, …: n elements from j on, eight but at the end. Inline always, so that
// sums that f keeps stay in registers.
template <class F>
__attribute__((always_inline)) inline void for_eights(int64_t size, F&& f) {
  int64_t j = 0;
  for (; j + 8 <= size; j += 8) f(j, std::integral_constant<int, 8>());
  if (j < size) f(j, int(size - j));
}
// The first n of a register's elements, n may be less than none or more than all; the others are
// `rest`.
#if defined(__AVX512VL__)
template <class T>
__attribute__((always_inline)) inline void load_first(const T* x, int n, double rest,
                                                      Doubles& out) {
  const auto mask = __mmask8((1 << n) - 1);
  const __m512d others = _mm512_set1_pd(rest);
  if constexpr (sizeof(T) == 4)
    out = Doubles(_mm512_mask_cvtps_pd(others, mask, _mm256_maskz_loadu_ps(mask, x)));
  else
    out = Doubles(_mm512_mask_loadu_pd(others, mask, x));
}
#elif defined(__AVX2__)
template <class T>
__attribute__((always_inline)) inline void load_first(const T* x, int n, double rest,
                                                      Doubles& out) {
  const __m128i mask = _mm_cmpgt_epi32(_mm_set1_epi32(n), _mm_setr_epi32(0, 1, 2, 3));
  const __m256i wide = _mm256_cvtepi32_epi64(mask);
  __m256d first;
  if constexpr (sizeof(T) == 4)
    first = _mm256_cvtps_pd(_mm_maskload_ps(x, mask));
  else
    first = _mm256_maskload_pd(x, wide);
  out = Doubles(_mm256_blendv_pd(_mm256_set1_pd(rest), first, _mm256_castsi256_pd(wide)));
}
#else
template <class T>
__attribute__((always_inline)) inline void load_first(const T* x, int n, double rest,
                                                      Doubles& out) {
  Doubles all{};
  for (int k = 0; k < kVectorSize<double>; ++k) all[k] = k < n ? double(x[k]) : rest;
  out = all;
}
#endif
template <class T, class Half>
__attribute__((always_inline)) inline void load_first(const T* x, int n, double rest,
                                                      Pair<Half>& out) {
  constexpr int kHalf = sizeof(Half) / sizeof(double);
  load_first(x, n, rest, out.low), load_first(x + kHalf, n - kHalf, rest, out.high);
}
template <class T, class N>
__attribute__((always_inline)) inline void load_some(const T* x, N n, double rest, Eight& out) {
  if constexpr (std::is_same_v<N, int>)
    load_first(x, n, rest, out);
  else
    load_eight(x, out);
}

// The same the other way: elements behind the first n stay as they are.
#if defined(__AVX512VL__)
template <class T>
__attribute__((always_inline)) inline void store_first(const Doubles& v, int n, T* x) {
  const auto mask = __mmask8((1 << n) - 1);
  if constexpr (sizeof(T) == 4)
    _mm256_mask_storeu_ps(x, mask, _mm512_cvtpd_ps(__m512d(v)));
  else
    _mm512_mask_storeu_pd(x, mask, __m512d(v));
}
#elif defined(__AVX2__)
template <class T>
__attribute__((always_inline)) inline void store_first(const Doubles& v, int n, T* x) {
  const __m128i mask = _mm_cmpgt_epi32(_mm_set1_epi32(n), _mm_setr_epi32(0, 1, 2, 3));
  if constexpr (sizeof(T) == 4)
    _mm_maskstore_ps(x, mask, _mm256_cvtpd_ps(__m256d(v)));
  else
    _mm256_maskstore_pd(x, _mm256_cvtepi32_epi64(mask), __m256d(v));
}
#else
template <class T>
__attribute__((always_inline)) inline void store_first(const Doubles& v, int n, T* x) {
  for (int k = 0; k < kVectorSize<double> && k < n; ++k) x[k] = T(v[k]);
}
#endif
template <class T, class Half>
__attribute__((always_inline)) inline void store_first(const Pair<Half>& v, int n, T* x) {
  constexpr int kHalf = sizeof(Half) / sizeof(double);
  store_first(v.low, n, x), store_first(v.high, n - kHalf, x + kHalf);
}
template <class T, class N>
__attribute__((always_inline)) inline void store_some(const Eight& v, N n, T* x) {
  if constexpr (std::is_same_v<N, int>)
    store_first(v, n, x);
  else
    store_eight(v, x);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
