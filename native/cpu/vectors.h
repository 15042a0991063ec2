// A register of numbers, and a product and a sum of it.
#pragma once
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif
template <class T>
struct VectorOf {
  using type __attribute__((vector_size(kVectorBytes))) = T;
  using unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias)) = T;
};
template <class T>
using Vector = typename VectorOf<T>::type;
template <class T>
inline constexpr int kVectorSize = kVectorBytes / int(sizeof(T));

// sum += x · y, rounded as `fused` rounds. (By reference: ABIs differ on such vectors.)
template <class T>
inline void add_product(const Vector<T>& x, const Vector<T>& y, Vector<T>& sum) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    sum = Vector<T>(_mm512_fmadd_ps(__m512(x), __m512(y), __m512(sum)));
  else
    sum = Vector<T>(_mm512_fmadd_pd(__m512d(x), __m512d(y), __m512d(sum)));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    sum = Vector<T>(_mm256_fmadd_ps(__m256(x), __m256(y), __m256(sum)));
  else
    sum = Vector<T>(_mm256_fmadd_pd(__m256d(x), __m256d(y), __m256d(sum)));
#else
  sum = x * y + sum;
#endif
}
// Wherever it lies.
template <class T>
inline void load(const T* row, Vector<T>& out) {
  out = *reinterpret_cast<const typename VectorOf<T>::unaligned*>(row);
}
template <class T>
inline void store(const Vector<T>& x, T* row) {
  *reinterpret_cast<typename VectorOf<T>::unaligned*>(row) = x;
}
template <class T>
inline void add_product(const Vector<T>& x, const T* row, Vector<T>& sum) {
  Vector<T> y;
  load<T>(row, y);
  add_product<T>(x, y, sum);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
