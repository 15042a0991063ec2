// Arrays in steps of a register, and what is left of them.
#pragma once
#include <cstdint>
#include <type_traits>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// f(j, n) for j = 0, kVectorSize, …: n elements from j on, a register of them but at the end, where
// n is a number of its own type. Inline always, so that sums that f keeps stay in registers.
template <class T, class F>
__attribute__((always_inline)) inline void for_vectors(int64_t size, F&& f) {
  constexpr int kSize = kVectorSize<T>;
  int64_t j = 0;
#pragma GCC unroll 2
  for (; j + kSize <= size; j += kSize) f(j, std::integral_constant<int, kSize>());
  if (j < size) f(j, int(size - j));
}

#if defined(__AVX2__) && !defined(__AVX512F__)
// All bits of the first n words.
__attribute__((always_inline)) inline __m256i first_words(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

// A register of n elements, the others `rest`.
__attribute__((always_inline)) inline void load_part(const float* x, int n, float rest,
                                                     Vector<float>& out) {
#if defined(__AVX512F__)
  out = Vector<float>(_mm512_mask_loadu_ps(_mm512_set1_ps(rest), __mmask16((1u << n) - 1), x));
#elif defined(__AVX2__)
  const __m256i first = first_words(n);
  out = Vector<float>(_mm256_blendv_ps(_mm256_set1_ps(rest), _mm256_maskload_ps(x, first),
                                       _mm256_castsi256_ps(first)));
#else
  Vector<float> all{};
  for (int k = 0; k < kVectorSize<float>; ++k) all[k] = k < n ? x[k] : rest;
  out = all;
#endif
}
__attribute__((always_inline)) inline void load_part(const double* x, int n, double rest,
                                                     Vector<double>& out) {
#if defined(__AVX512F__)
  out = Vector<double>(_mm512_mask_loadu_pd(_mm512_set1_pd(rest), __mmask8((1u << n) - 1), x));
#elif defined(__AVX2__)
  const __m256i first = first_words(2 * n);
  out = Vector<double>(_mm256_blendv_pd(_mm256_set1_pd(rest), _mm256_maskload_pd(x, first),
                                        _mm256_castsi256_pd(first)));
#else
  Vector<double> all{};
  for (int k = 0; k < kVectorSize<double>; ++k) all[k] = k < n ? x[k] : rest;
  out = all;
#endif
}
__attribute__((always_inline)) inline void store_part(const Vector<float>& v, int n, float* x) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(x, __mmask16((1u << n) - 1), __m512(v));
#elif defined(__AVX2__)
  _mm256_maskstore_ps(x, first_words(n), __m256(v));
#else
  for (int k = 0; k < kVectorSize<float> && k < n; ++k) x[k] = v[k];
#endif
}
__attribute__((always_inline)) inline void store_part(const Vector<double>& v, int n, double* x) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_pd(x, __mmask8((1u << n) - 1), __m512d(v));
#elif defined(__AVX2__)
  _mm256_maskstore_pd(x, first_words(2 * n), __m256d(v));
#else
  for (int k = 0; k < kVectorSize<double> && k < n; ++k) x[k] = v[k];
#endif
}

// Past the caches, to where a register may lie: a multiple of its size (cpu/streaming.h).
template <class T>
__attribute__((always_inline)) inline void stream_vector(const Vector<T>& v, T* to) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), __m512i(v));
#elif defined(__AVX2__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), __m256i(v));
#elif defined(__SSE2__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(to), __m128i(v));
#else
  store<T>(v, to);
#endif
}

// The same of whole registers, as the second argument of f says.
template <class T, int size>
__attribute__((always_inline)) inline void load_part(const T* x, std::integral_constant<int, size>,
                                                     T, Vector<T>& out) {
  load<T>(x, out);
}
template <class T, int size>
__attribute__((always_inline)) inline void store_part(const Vector<T>& v,
                                                      std::integral_constant<int, size>, T* x) {
  store<T>(v, x);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
