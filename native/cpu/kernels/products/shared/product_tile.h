// One tile of a product of f32 or f64 matrices, from its factors to the result.
#pragma once
#include <algorithm>
#include <array>
#include <cstring>

#include "cpu/row_tile.h"
#include "cpu/vector_part.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// c = alpha · sums + beta · old + bias, element by element; no bias: null. Of a tile's row i and
// column j: at c[i · stride + j] and bias[j] or, `is_turned`, c[j · stride + i] and bias[i].
template <class T>
struct RowResult {
  T alpha, beta;
  const T *old, *bias;
  T* c;
  int64_t stride, matrix;  // elements between lines, and between matrices
  bool is_turned = false;

  int64_t at(int64_t i, int64_t j) const { return is_turned ? j * stride + i : i * stride + j; }
  // That from row i and column j on.
  RowResult from(int64_t which, int64_t i, int64_t j) const {
    RowResult part = *this;
    const int64_t first = which * matrix + at(i, j);
    part.old += first, part.c += first;
    if (bias) part.bias += is_turned ? i : j;
    return part;
  }
};

// The same of the first columns of a tile: vectors would reach into the next row.
template <class T>
__attribute__((noinline)) void store_part(const T* sums, int64_t width, int64_t rows,
                                          int64_t columns, const RowResult<T>& to) {
  for (int64_t j = 0; j < columns; j += kVectorSize<T>) {
    const int64_t count = std::min<int64_t>(kVectorSize<T>, columns - j);
    const auto finish = [&]<bool is_plain>() __attribute__((always_inline)) {
      const T *sum = sums + j, *old = to.old + j;
      T* c = to.c + j;
      Vector<T> bias{};
      if (to.bias) load_first<T>(to.bias + j, count, bias);
      for (int64_t r = 0; r < rows; ++r, sum += width, old += to.stride, c += to.stride) {
        Vector<T> x, added;
        load<T>(sum, x);
        if (!is_plain) {
          x *= to.alpha;
          if (to.beta != 0) {
            load_first<T>(old, count, added);
            x += to.beta * added;
          }
          if (to.bias) x += bias;
        }
        store_first<T>(x, count, c);
      }
    };
    if (to.alpha == 1 && to.beta == 0 && !to.bias)
      finish.template operator()<true>();
    else
      finish.template operator()<false>();
  }
}

// The same of a tile whose columns are rows of c.
template <class T>
__attribute__((noinline)) void store_turned(const T* sums, int64_t width, int64_t rows,
                                            int64_t columns, const RowResult<T>& to) {
  const bool adds = to.beta != 0;
  for (int64_t j = 0; j < columns; ++j, ++sums) {
    const T* old = to.old + j * to.stride;
    T* c = to.c + j * to.stride;
#pragma GCC unroll 4
    for (int64_t r = 0; r < rows; ++r) {
      T x = to.alpha * sums[r * width];
      if (adds) x += to.beta * old[r];
      c[r] = to.bias ? x + to.bias[r] : x;
    }
  }
}

// Row r of the left factor lies across (`across`: element k at a[k · a_stride + r]), or along, from
// a + r · a_stride on. The right factor's rows are whole vectors, of which `columns` numbers count.
template <class T, int rows, int vectors, bool across>
__attribute__((noinline)) void product_tile(const T* a, int64_t a_stride, int64_t depth, const T* b,
                                            int64_t b_stride, const RowResult<T>& to,
                                            int64_t columns) {
  constexpr int kLanes = kVectorSize<T>, kWidth = vectors * kLanes;
  Vector<T> sum[rows][vectors];
  // body(a vector of sums, its place in the result, its column)
  const auto each = [&](auto&& body) __attribute__((always_inline)) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) body(sum[r][v], r * to.stride + v * kLanes, v * kLanes);
  };
  if (!to.is_turned) each([&](Vector<T>&, int64_t at, int) { __builtin_prefetch(to.c + at, 1); });
  const T* left[rows];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) left[r] = a + r * (across ? 1 : a_stride);
  each([](Vector<T>& x, int64_t, int) { x = Vector<T>{}; });
  add_products<T>(left, across ? a_stride : 1, depth, b, b_stride, sum);
  if (columns < kWidth || to.is_turned) {
    alignas(kVectorBytes) T sums[rows * kWidth];
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) store<T>(sum[r][v], sums + r * kWidth + v * kLanes);
    (to.is_turned ? store_turned<T> : store_part<T>)(sums, kWidth, rows, columns, to);
    return;
  }
  if (to.alpha != 1) each([&](Vector<T>& x, int64_t, int) { x *= to.alpha; });
  if (to.beta != 0)
    each([&](Vector<T>& x, int64_t at, int) {
      Vector<T> old;
      load<T>(to.old + at, old);
      x += to.beta * old;
    });
  if (to.bias)
    each([&](Vector<T>& x, int64_t, int column) {
      Vector<T> bias;
      load<T>(to.bias + column, bias);
      x += bias;
    });
  each([&](Vector<T>& x, int64_t at, int) { store<T>(x, to.c + at); });
}

#ifdef __AVX512F__
// The same for up to kRowTileRows rows of at most half a register's columns, two of which take the
// time of a whole one. Rows that are not there are the last one again.
template <class T, bool across>
__attribute__((noinline)) void narrow_tile(int64_t rows, const T* a, int64_t a_stride,
                                           int64_t depth, const T* b, int64_t b_stride,
                                           const RowResult<T>& to, int64_t columns) {
  constexpr int kMost = kRowTileRows, kLanes = kVectorSize<T>;
  using Half __attribute__((vector_size(kVectorBytes / 2))) = T;
  Half sum[kMost] = {};
  const T* left[kMost];
#pragma GCC unroll 12
  for (int r = 0; r < kMost; ++r)
    left[r] = a + std::min<int64_t>(r, rows - 1) * (across ? 1 : a_stride);
  for (int64_t k = 0, at = 0; k < depth; ++k, at += across ? a_stride : 1, b += b_stride) {
#pragma GCC unroll 12
    for (int r = 0; r < kMost; ++r)
      if constexpr (sizeof(T) == 4)
        sum[r] =
            Half(_mm256_fmadd_ps(_mm256_set1_ps(left[r][at]), _mm256_loadu_ps(b), __m256(sum[r])));
      else
        sum[r] =
            Half(_mm256_fmadd_pd(_mm256_set1_pd(left[r][at]), _mm256_loadu_pd(b), __m256d(sum[r])));
  }
  if (to.alpha == 1 && to.beta == 0 && !to.bias && !to.is_turned) {
    const __mmask8 first = __mmask8((1u << columns) - 1);
#pragma GCC unroll 12
    for (int r = 0; r < kMost; ++r) {
      if (r >= rows) return;
      if constexpr (sizeof(T) == 4)
        _mm256_mask_storeu_ps(to.c + r * to.stride, first, __m256(sum[r]));
      else
        _mm256_mask_storeu_pd(to.c + r * to.stride, first, __m256d(sum[r]));
    }
    return;
  }
  alignas(kVectorBytes) T sums[kMost * kLanes];
#pragma GCC unroll 12
  for (int r = 0; r < kMost; ++r) std::memcpy(sums + r * kLanes, &sum[r], sizeof(Half));
  (to.is_turned ? store_turned<T> : store_part<T>)(sums, kLanes, rows, columns, to);
}
#endif

template <class T>
using ProductTile = void (*)(const T* a, int64_t a_stride, int64_t depth, const T* b,
                             int64_t b_stride, const RowResult<T>& to, int64_t columns);

// Rows of the tiles of any width; only the largest of narrow ones has more.
inline constexpr int kTileRowsOfAll = 6;
static_assert(row_tile_rows(kRowTileVectors) == kTileRowsOfAll);

// The tile of so many rows, up to kTileRowsOfAll, or row_tile_rows(vectors), and vectors.
template <class T, bool across>
ProductTile<T> product_tile_of(int64_t rows, int64_t vectors) {
  static constexpr auto of = []<int v>() {
    constexpr int kMost = int(row_tile_rows(v));
    return std::array<ProductTile<T>, 7>{
        product_tile<T, 1, v, across>,    product_tile<T, 2, v, across>,
        product_tile<T, 3, v, across>,    product_tile<T, 4, v, across>,
        product_tile<T, 5, v, across>,    product_tile<T, 6, v, across>,
        product_tile<T, kMost, v, across>};
  };
  static constexpr std::array<ProductTile<T>, 7> all[] = {
      of.template operator()<1>(), of.template operator()<2>(),
      of.template operator()<std::min(3, kRowTileVectors)>(),
      of.template operator()<kRowTileVectors>()};
  return all[vectors - 1][size_t(std::min<int64_t>(rows, kTileRowsOfAll + 1) - 1)];
}

// True if tiles of so many columns may have any number of rows up to kRowTileRows.
template <class T>
inline bool is_narrow(int64_t columns) {
  return kRowTileVectors > 2 && columns <= kVectorSize<T> / 2;
}

// A tile of so many rows, up to those of product_tile_of and is_narrow.
template <class T, bool across>
inline void multiply_tile(int64_t rows, const T* a, int64_t a_stride, int64_t depth, const T* b,
                          int64_t b_stride, const RowResult<T>& to, int64_t columns) {
#ifdef __AVX512F__
  if (rows > kTileRowsOfAll && is_narrow<T>(columns))
    return narrow_tile<T, across>(rows, a, a_stride, depth, b, b_stride, to, columns);
#endif
  const int64_t vectors = whole_vectors<T>(columns) / kVectorSize<T>;
  product_tile_of<T, across>(rows, vectors)(a, a_stride, depth, b, b_stride, to, columns);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
