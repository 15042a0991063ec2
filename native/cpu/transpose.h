// Transposed copies of f32 and f64 matrices, in squares of 8 that stay in registers.
#pragma once
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

#ifdef __AVX2__
inline void transpose_square(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  __m256 row[8], pair[8], quad[8];
  for (int i = 0; i < 8; ++i) row[i] = _mm256_loadu_ps(from + i * from_stride);
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      quad[i + 2 * j] = _mm256_shuffle_ps(pair[i + j], pair[i + j + 2], 0x44);
      quad[i + 2 * j + 1] = _mm256_shuffle_ps(pair[i + j], pair[i + j + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
  }
}
inline void transpose_square(const double* from, int64_t from_stride, double* to,
                             int64_t to_stride) {
  for (int part = 0; part < 4; ++part) {
    const int i = part / 2 * 4, j = part % 2 * 4;
    const double* source = from + i * from_stride + j;
    double* target = to + j * to_stride + i;
    __m256d row[4], pair[4];
    for (int r = 0; r < 4; ++r) row[r] = _mm256_loadu_pd(source + r * from_stride);
    for (int r = 0; r < 4; r += 2) {
      pair[r] = _mm256_unpacklo_pd(row[r], row[r + 1]);
      pair[r + 1] = _mm256_unpackhi_pd(row[r], row[r + 1]);
    }
    for (int r = 0; r < 2; ++r) {
      _mm256_storeu_pd(target + r * to_stride, _mm256_permute2f128_pd(pair[r], pair[r + 2], 0x20));
      _mm256_storeu_pd(target + (r + 2) * to_stride,
                       _mm256_permute2f128_pd(pair[r], pair[r + 2], 0x31));
    }
  }
}
#else
template <class T>
inline void transpose_square(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}
#endif

// to[c, r] = from[r, c].
template <class T>
inline void transpose(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to,
                      int64_t to_stride) {
  for (int64_t r = 0; r < rows; r += 8)
    for (int64_t c = 0; c < columns; c += 8) {
      const T* source = from + r * from_stride + c;
      T* target = to + c * to_stride + r;
      const int64_t height = std::min<int64_t>(8, rows - r),
                    width = std::min<int64_t>(8, columns - c);
      if (height == 8 && width == 8) {
        transpose_square(source, from_stride, target, to_stride);
        continue;
      }
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j) target[j * to_stride + i] = source[i * from_stride + j];
    }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
