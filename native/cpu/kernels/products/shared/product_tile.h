// One tile of a product of f32 matrices, from its factors to the result.
#pragma once
#include <algorithm>
#include <array>

#include "cpu/row_tile.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// c = alpha · sums + beta · old + bias, element by element; no bias: null.
struct RowResult {
  float alpha, beta;
  const float *old, *bias;
  float* c;
};

// Row r of the left factor lies across (`across`: element k at a[k · a_stride + r]), or along, from
// a + r · a_stride on. The right factor's rows are whole vectors, of which `columns` numbers count.
template <int rows, int vectors, bool across>
__attribute__((noinline)) void product_tile(const float* a, int64_t a_stride, int64_t depth,
                                            const float* b, int64_t b_stride, const RowResult& to,
                                            int64_t c_stride, int64_t columns) {
  constexpr int kLanes = kVectorSize<float>, kWidth = vectors * kLanes;
  Vector<float> sum[rows][vectors];
  // body(a vector of sums, its place in the result, its column)
  const auto each = [&](auto&& body) __attribute__((always_inline)) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) body(sum[r][v], r * c_stride + v * kLanes, v * kLanes);
  };
  each([&](Vector<float>&, int64_t at, int) { __builtin_prefetch(to.c + at, 1); });
  const float* left[rows];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) left[r] = a + r * (across ? 1 : a_stride);
  each([](Vector<float>& x, int64_t, int) { x = Vector<float>{}; });
  add_products<float>(left, across ? a_stride : 1, depth, b, b_stride, sum);
  if (columns < kWidth) {  // element by element: vectors would reach into the next row
    alignas(kVectorBytes) float sums[rows * kWidth];
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) store<float>(sum[r][v], sums + r * kWidth + v * kLanes);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t q = 0; q < columns; ++q) {
        float x = to.alpha * sums[r * kWidth + q];
        if (to.beta != 0) x += to.beta * to.old[r * c_stride + q];
        to.c[r * c_stride + q] = to.bias ? x + to.bias[q] : x;
      }
    return;
  }
  if (to.alpha != 1) each([&](Vector<float>& x, int64_t, int) { x *= to.alpha; });
  if (to.beta != 0)
    each([&](Vector<float>& x, int64_t at, int) {
      Vector<float> old;
      load<float>(to.old + at, old);
      x += to.beta * old;
    });
  if (to.bias)
    each([&](Vector<float>& x, int64_t, int column) {
      Vector<float> bias;
      load<float>(to.bias + column, bias);
      x += bias;
    });
  each([&](Vector<float>& x, int64_t at, int) { store<float>(x, to.c + at); });
}

using ProductTile = void (*)(const float* a, int64_t a_stride, int64_t depth, const float* b,
                             int64_t b_stride, const RowResult& to, int64_t c_stride,
                             int64_t columns);

// Rows of the tiles of any width; only the largest of narrow ones has more.
inline constexpr int kTileRowsOfAll = 6;
static_assert(row_tile_rows(kRowTileVectors) == kTileRowsOfAll);

// The tile of so many rows, up to kTileRowsOfAll, or row_tile_rows(vectors), and vectors.
template <bool across>
ProductTile product_tile_of(int64_t rows, int64_t vectors) {
  static constexpr auto of = []<int v>() {
    constexpr int kMost = int(row_tile_rows(v));
    return std::array<ProductTile, 7>{product_tile<1, v, across>,    product_tile<2, v, across>,
                                      product_tile<3, v, across>,    product_tile<4, v, across>,
                                      product_tile<5, v, across>,    product_tile<6, v, across>,
                                      product_tile<kMost, v, across>};
  };
  static constexpr std::array<ProductTile, 7> all[] = {
      of.template operator()<1>(), of.template operator()<2>(),
      of.template operator()<std::min(3, kRowTileVectors)>(),
      of.template operator()<kRowTileVectors>()};
  return all[vectors - 1][size_t(std::min<int64_t>(rows, kTileRowsOfAll + 1) - 1)];
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
