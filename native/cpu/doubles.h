// Eight elements as doubles.
#pragma once
#include <cstring>
#include <type_traits>

#include "cpu/pair.h"
#include "cpu/vectors.h"
#if defined(__SSE2__) && !defined(__AVX2__)
#include <emmintrin.h>
#endif

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A register of the processor's, and eight doubles made of such.
using Doubles = Vector<double>;
template <int size>
struct DoublesOf {
  using type = Pair<typename DoublesOf<size / 2>::type>;
};
template <>
struct DoublesOf<kVectorSize<double>> {
  using type = Doubles;
};
using Eight = DoublesOf<8>::type;

__attribute__((always_inline)) inline void load_eight(const double* x, Doubles& out) {
  std::memcpy(&out, x, sizeof out);
}
// One instruction, where a vector of the compiler's becomes five.
__attribute__((always_inline)) inline void load_eight(const float* x, Doubles& out) {
#if defined(__AVX512F__)
  out = Doubles(_mm512_cvtps_pd(_mm256_loadu_ps(x)));
#elif defined(__AVX2__)
  out = Doubles(_mm256_cvtps_pd(_mm_loadu_ps(x)));
#else
  out = Doubles{double(x[0]), double(x[1])};
#endif
}
template <class T, class Half>
__attribute__((always_inline)) inline void load_eight(const T* x, Pair<Half>& out) {
  load_eight(x, out.low), load_eight(x + sizeof(Half) / sizeof(double), out.high);
}

__attribute__((always_inline)) inline void store_eight(const Doubles& v, double* x) {
  std::memcpy(x, &v, sizeof v);
}
__attribute__((always_inline)) inline void store_eight(const Doubles& v, float* x) {
#if defined(__AVX512F__)
  _mm256_storeu_ps(x, _mm512_cvtpd_ps(__m512d(v)));
#elif defined(__AVX2__)
  _mm_storeu_ps(x, _mm256_cvtpd_ps(__m256d(v)));
#else
  x[0] = float(v[0]), x[1] = float(v[1]);
#endif
}
template <class T, class Half>
__attribute__((always_inline)) inline void store_eight(const Pair<Half>& v, T* x) {
  store_eight(v.low, x), store_eight(v.high, x + sizeof(Half) / sizeof(double));
}

// a b + c, rounded once where the processor has an instruction for it.
__attribute__((always_inline)) inline void multiply_add(const Doubles& a, const Doubles& b,
                                                        const Doubles& c, Doubles& out) {
#if defined(__AVX512F__)
  out = Doubles(_mm512_fmadd_pd(__m512d(a), __m512d(b), __m512d(c)));
#elif defined(__AVX2__)
  out = Doubles(_mm256_fmadd_pd(__m256d(a), __m256d(b), __m256d(c)));
#else
  out = a * b + c;
#endif
}
template <class Half>
__attribute__((always_inline)) inline void multiply_add(const Pair<Half>& a, const Pair<Half>& b,
                                                        const Pair<Half>& c, Pair<Half>& out) {
  multiply_add(a.low, b.low, c.low, out.low), multiply_add(a.high, b.high, c.high, out.high);
}

// `a` where the mask holds, else `b`.
template <class Mask>
__attribute__((always_inline)) inline void select(const Mask& mask, const Doubles& a,
                                                  const Doubles& b, Doubles& out) {
  out = mask ? a : b;
}
template <class Mask, class Half>
__attribute__((always_inline)) inline void select(const Pair<Mask>& mask, const Pair<Half>& a,
                                                  const Pair<Half>& b, Pair<Half>& out) {
  select(mask.low, a.low, b.low, out.low), select(mask.high, a.high, b.high, out.high);
}

// The lesser and the greater of a and b, or b where either is NaN: the compiler does not find the
// instruction by itself.
__attribute__((always_inline)) inline void lesser_of(const Doubles& a, const Doubles& b,
                                                     Doubles& out) {
#if defined(__AVX512F__)
  out = Doubles(_mm512_min_pd(__m512d(a), __m512d(b)));
#elif defined(__AVX2__)
  out = Doubles(_mm256_min_pd(__m256d(a), __m256d(b)));
#elif defined(__SSE2__)
  out = Doubles(_mm_min_pd(__m128d(a), __m128d(b)));
#else
  out = a < b ? a : b;
#endif
}
__attribute__((always_inline)) inline void greater_of(const Doubles& a, const Doubles& b,
                                                      Doubles& out) {
#if defined(__AVX512F__)
  out = Doubles(_mm512_max_pd(__m512d(a), __m512d(b)));
#elif defined(__AVX2__)
  out = Doubles(_mm256_max_pd(__m256d(a), __m256d(b)));
#elif defined(__SSE2__)
  out = Doubles(_mm_max_pd(__m128d(a), __m128d(b)));
#else
  out = a > b ? a : b;
#endif
}
template <class Half>
__attribute__((always_inline)) inline void lesser_of(const Pair<Half>& a, const Pair<Half>& b,
                                                     Pair<Half>& out) {
  lesser_of(a.low, b.low, out.low), lesser_of(a.high, b.high, out.high);
}
template <class Half>
__attribute__((always_inline)) inline void greater_of(const Pair<Half>& a, const Pair<Half>& b,
                                                      Pair<Half>& out) {
  greater_of(a.low, b.low, out.low), greater_of(a.high, b.high, out.high);
}

// Of lanes k and k + half, then of what comes out, …
template <class Join>
__attribute__((always_inline)) inline double joined_lanes(const Doubles& v, Join&& join) {
#if defined(__AVX512F__)
  return join(join(join(v[0], v[4]), join(v[2], v[6])), join(join(v[1], v[5]), join(v[3], v[7])));
#elif defined(__AVX2__)
  return join(join(v[0], v[2]), join(v[1], v[3]));
#else
  return join(v[0], v[1]);
#endif
}
inline double total_of(const Doubles& lanes) {
  return joined_lanes(lanes, [](double a, double b) { return a + b; });
}
template <class Half>
__attribute__((always_inline)) inline double total_of(const Pair<Half>& lanes) {
  return total_of(lanes.low + lanes.high);
}

inline double largest_of(const Doubles& lanes) {
  return joined_lanes(lanes, [](double a, double b) { return a > b ? a : b; });
}
template <class Half>
__attribute__((always_inline)) inline double largest_of(const Pair<Half>& lanes) {
  Half most;
  greater_of(lanes.high, lanes.low, most);
  return largest_of(most);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
