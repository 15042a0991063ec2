// A matrix in panels, as the tiles of a product read it.
#pragma once
#include "cpu/micro_tile.h"
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A running sum in f32 is no longer than this: what longer ones lose shows.
inline constexpr int64_t kDepth = 384;

// A panel of `rows` ≤ kPanel rows of a and `depth` of their elements; rows lie across (`down`:
// a[k, row]) or along a's own rows. What the panel has beyond them is 0.
inline void pack_panel(bool down, const float* a, int64_t stride, int64_t rows, int64_t depth,
                       float* panel) {
  if (rows < kPanel) std::fill_n(panel, depth * kPanel, 0.0f);
  if (!down) return transpose(a, stride, rows, depth, panel, kPanel);
  for (int64_t k = 0; k < depth; ++k) std::copy_n(a + k * stride, rows, panel + k * kPanel);
}

struct FloatTile {
  static void multiply(int64_t depth, int64_t columns, const float* left, const float* right,
                       float* sums) {
    micro_tile(depth, columns, left, right, sums);
  }
};

// c = alpha · (left · rightᵀ) + beta · from, where c has `rows` × `columns` elements and the panels
// `depth`; with `triangle`, only on and below the diagonal. c may be `from`; beta = 0 does not read
// it.
template <class Tile = FloatTile>
void multiply_panels(int64_t depth, const float* left, const float* right, int64_t rows,
                     int64_t columns, bool triangle, float alpha, float beta, const float* from,
                     float* c, int64_t stride) {
  alignas(64) float sums[kTileRows * kTileColumns];
  for (int64_t j = 0; j < columns; j += kTileColumns)
    for (int64_t i = triangle ? j / kTileRows * kTileRows : 0; i < rows; i += kTileRows) {
      const int64_t last = std::min<int64_t>(rows, i + kTileRows);
      const int64_t width =
          std::min<int64_t>({kTileColumns, columns - j, triangle ? last - j : kPanel});
      Tile::multiply(depth, width, left + i, right + j, sums);
      for (int64_t r = i; r < last; ++r) {
        const float *sum = sums + (r - i) * kTileColumns, *old = from + r * stride + j;
        float* out = c + r * stride + j;
        if (beta == 0)
          for (int64_t q = 0; q < width; ++q) out[q] = alpha * sum[q];
        else
          for (int64_t q = 0; q < width; ++q) out[q] = alpha * sum[q] + beta * old[q];
      }
    }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
