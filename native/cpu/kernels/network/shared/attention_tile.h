// Products of tiles of attention: sums in registers, the left factor an element at a time for all
// lanes, the right one in rows.
#pragma once
#include <cstdint>

#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Queries, and keys, of a tile; and of a step on the diagonal, where a step of keys is seen by the
// steps of queries from its own on.
inline constexpr int64_t kTilePlaces = 64, kStep = 16;

// Sums of a register tile: enough of them for the processor to wait for none.
#ifdef __AVX512F__
inline constexpr int kSumRows = 8;
#else
inline constexpr int kSumRows = 4;
#endif

// Sums begin at 0; or go on from c; or from c times a factor per column.
enum class Start { kZero, kAdd, kScale };

inline int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

template <class T>
inline void spread(T x, Vector<T>& out) {
  out = x - Vector<T>{};
}

// The left factor's element k of row r is a[along ? r · stride + k : k · stride + r].
template <class T, int vectors, bool along, Start start>
__attribute__((always_inline)) inline void sum_products(int64_t depth, const T* a, int64_t a_stride,
                                                        const T* b, int64_t b_stride, T* c,
                                                        int64_t c_stride, const T* factors) {
  constexpr int kLanes = kVectorSize<T>;
  Vector<T> sum[kSumRows][vectors];
  const T* rows[kSumRows];
#pragma GCC unroll 8
  for (int r = 0; r < kSumRows; ++r) {
    rows[r] = a + r * (along ? a_stride : 1);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) {
      if constexpr (start == Start::kZero)
        sum[r][v] = Vector<T>{};
      else
        load<T>(c + r * c_stride + v * kLanes, sum[r][v]);
      if constexpr (start == Start::kScale) {
        Vector<T> factor;
        load<T>(factors + v * kLanes, factor);
        sum[r][v] *= factor;
      }
    }
  }
  for (int64_t k = 0, at = 0; k < depth; ++k, b += b_stride, at += along ? 1 : a_stride) {
    Vector<T> row[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) load<T>(b + v * kLanes, row[v]);
#pragma GCC unroll 8
    for (int r = 0; r < kSumRows; ++r) {
      Vector<T> x;
      spread<T>(rows[r][at], x);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) add_product<T>(x, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kSumRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) store<T>(sum[r][v], c + r * c_stride + v * kLanes);
}

// c[m, n] from a and b; m is a multiple of kSumRows, n of the lanes of a vector.
template <bool along, Start start, class T>
__attribute__((noinline)) void multiply_tile(int64_t m, int64_t n, int64_t depth, const T* a,
                                             int64_t a_stride, const T* b, int64_t b_stride, T* c,
                                             int64_t c_stride, const T* factors = nullptr) {
  constexpr int kLanes = kVectorSize<T>;
  const int64_t step = along ? a_stride : 1;
  int64_t j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes)
    for (int64_t i = 0; i < m; i += kSumRows)
      sum_products<T, 2, along, start>(depth, a + i * step, a_stride, b + j, b_stride,
                                       c + i * c_stride + j, c_stride,
                                       factors ? factors + j : nullptr);
  if (j < n)
    for (int64_t i = 0; i < m; i += kSumRows)
      sum_products<T, 1, along, start>(depth, a + i * step, a_stride, b + j, b_stride,
                                       c + i * c_stride + j, c_stride,
                                       factors ? factors + j : nullptr);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
