// A tile of a product of f32 matrices, its sums kept in registers.
#pragma once
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A panel holds this many rows of a matrix, element k of all of them side by side, 64-byte aligned;
// it serves as the left factor and as the right one.
inline constexpr int kPanel = 48;

// Sums of a tile: as many as the registers hold beside one step's operands.
#ifdef __AVX512F__
inline constexpr int kTileRows = 8, kLanes = 16, kTileVectors = 3;
using Lanes = __m512;
inline Lanes load_lanes(const float* x) { return _mm512_load_ps(x); }
inline Lanes all_lanes(float x) { return _mm512_set1_ps(x); }
inline Lanes multiply_add(Lanes x, Lanes y, Lanes sum) { return _mm512_fmadd_ps(x, y, sum); }
inline void store_lanes(float* x, Lanes lanes) { _mm512_store_ps(x, lanes); }
#elif defined(__AVX2__)
inline constexpr int kTileRows = 6, kLanes = 8, kTileVectors = 2;
using Lanes = __m256;
inline Lanes load_lanes(const float* x) { return _mm256_load_ps(x); }
inline Lanes all_lanes(float x) { return _mm256_set1_ps(x); }
inline Lanes multiply_add(Lanes x, Lanes y, Lanes sum) { return _mm256_fmadd_ps(x, y, sum); }
inline void store_lanes(float* x, Lanes lanes) { _mm256_store_ps(x, lanes); }
#else
inline constexpr int kTileRows = 4, kLanes = 4, kTileVectors = 2;
using Lanes = float __attribute__((vector_size(16)));
inline Lanes load_lanes(const float* x) { return *reinterpret_cast<const Lanes*>(x); }
inline Lanes all_lanes(float x) { return Lanes{x, x, x, x}; }
inline Lanes multiply_add(Lanes x, Lanes y, Lanes sum) { return x * y + sum; }
inline void store_lanes(float* x, Lanes lanes) { *reinterpret_cast<Lanes*>(x) = lanes; }
#endif
inline constexpr int kTileColumns = kTileVectors * kLanes;

// sums[r, c] = Σ left[k, r] · right[k, c] over `depth` elements of two panels, for the first
// `vectors` vectors of columns.
template <int vectors>
void micro_tile(int64_t depth, const float* left, const float* right, float* sums) {
  Lanes sum[kTileRows][vectors] = {};
  for (int64_t k = 0; k < depth; ++k, left += kPanel, right += kPanel) {
    Lanes row[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) row[v] = load_lanes(right + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const Lanes x = all_lanes(left[r]);
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sum[r][v] = multiply_add(x, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) store_lanes(sums + r * kTileColumns + v * kLanes, sum[r][v]);
}

// The same, for at least `columns` columns.
inline void micro_tile(int64_t depth, int64_t columns, const float* left, const float* right,
                       float* sums) {
  if (columns <= kLanes) return micro_tile<1>(depth, left, right, sums);
  if (kTileVectors == 2 || columns <= 2 * kLanes) return micro_tile<2>(depth, left, right, sums);
  micro_tile<kTileVectors>(depth, left, right, sums);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
