// Some numbers of a register: what lies beyond them in memory is neither read nor written.
#pragma once
#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A part of a register is loaded by one instruction; and is stored by one, as fast as a whole one.
#if defined(__AVX512F__)
inline constexpr bool kHasMasks = true, kFreeMasks = true;
#elif defined(__AVX2__)
inline constexpr bool kHasMasks = true, kFreeMasks = false;
#else
inline constexpr bool kHasMasks = false, kFreeMasks = false;
#endif

#if defined(__AVX2__) && !defined(__AVX512F__)
template <class T>
inline __m256i first_lanes(int64_t count) {
  if constexpr (sizeof(T) == 4)
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(count)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  else
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
#endif
// The first `count` numbers of a register, up to all; the others are 0, or stay.
template <class T>
inline void load_first(const T* row, int64_t count, Vector<T>& out) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    out = Vector<T>(_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), row));
  else
    out = Vector<T>(_mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), row));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    out = Vector<T>(_mm256_maskload_ps(row, first_lanes<T>(count)));
  else
    out = Vector<T>(_mm256_maskload_pd(row, first_lanes<T>(count)));
#else
  out = Vector<T>{};
  for (int64_t i = 0; i < count; ++i) out[i] = row[i];
#endif
}
template <class T>
inline void store_first(const Vector<T>& x, int64_t count, T* row) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_ps(row, __mmask16((1u << count) - 1), __m512(x));
  else
    _mm512_mask_storeu_pd(row, __mmask8((1u << count) - 1), __m512d(x));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    _mm256_maskstore_ps(row, first_lanes<T>(count), __m256(x));
  else
    _mm256_maskstore_pd(row, first_lanes<T>(count), __m256d(x));
#else
  for (int64_t i = 0; i < count; ++i) row[i] = x[i];
#endif
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
