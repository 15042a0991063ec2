// A tile of a product whose left factor is not packed: its rows are pointers, its sums stay in
// registers.
#pragma once
#include <algorithm>

#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The largest tiles: as many sums as the registers hold beside one step's operands.
#if defined(__AVX512F__)
inline constexpr int kRowTileRows = 12, kRowTileVectors = 4;
#else
inline constexpr int kRowTileRows = 6, kRowTileVectors = 2;
#endif
inline constexpr int64_t row_tile_rows(int64_t vectors) { return vectors > 2 ? 6 : kRowTileRows; }
template <class T>
inline constexpr int64_t kRowTileColumns = kRowTileVectors * kVectorSize<T>;

template <class T>
inline int64_t whole_vectors(int64_t columns) {
  return (columns + kVectorSize<T> - 1) / kVectorSize<T> * kVectorSize<T>;
}

// Inner side of a product: `count` segments of `depth` elements, `step` apart, of which the s-th
// begins at[s] elements from the pointer of a left row. In the right factor they follow each other.
struct Segments {
  const int64_t* at;
  int64_t count, depth, step = 1;
};
inline constexpr int64_t kNoOffset[1] = {0};

// sum[r][·] += Σ left[r][k · step] · b[k, ·] over `depth` elements, in their order.
template <class T, int rows, int vectors>
inline __attribute__((always_inline)) void add_products(const T* const (&left)[rows], int64_t step,
                                                        int64_t depth, const T* b, int64_t b_row,
                                                        Vector<T> (&sum)[rows][vectors]) {
  for (int64_t k = 0, at = 0; k < depth; ++k, at += step, b += b_row) {
    Vector<T> right[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) load<T>(b + v * kVectorSize<T>, right[v]);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      Vector<T> x;
      x = left[r][at] - Vector<T>{};  // in all lanes; minus 0 is exact
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) add_product<T>(x, right[v], sum[r][v]);
    }
  }
}

// First value of the sums: 0, what lies in c, or one row for all.
enum class SumsFrom { kZero, kResult, kRow };

// c[r][·] = first + Σ over the segments of a[r] · b[·] for `rows` rows and `vectors` vectors of
// columns. One running sum an element, in the order of the segments: its bits do not depend on
// which rows and columns share a tile.
template <class T, int rows, int vectors, SumsFrom from, bool kAdjacent>
inline __attribute__((always_inline)) void row_tile(const T* const* a, const Segments& inner,
                                                    const T* b, int64_t b_row, T* c, int64_t c_row,
                                                    const T* first) {
  Vector<T> sum[rows][vectors];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      if constexpr (from == SumsFrom::kZero) sum[r][v] = Vector<T>{};
      if constexpr (from == SumsFrom::kResult)
        load<T>(c + r * c_row + v * kVectorSize<T>, sum[r][v]);
      if constexpr (from == SumsFrom::kRow) load<T>(first + v * kVectorSize<T>, sum[r][v]);
    }
  const int64_t step = kAdjacent ? 1 : inner.step, depth = inner.depth;
  for (int64_t s = 0; s < inner.count; ++s, b += depth * b_row) {
    const T* left[rows];
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) left[r] = a[r] + inner.at[s];
    add_products<T>(left, step, depth, b, b_row, sum);
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) store<T>(sum[r][v], c + r * c_row + v * kVectorSize<T>);
}

// f.operator()<rows>() for rows from 1 to `most`.
template <int most, class F>
inline __attribute__((always_inline)) void with_rows(int64_t rows, F&& f) {
  if constexpr (most > 1)
    if (rows < most) return with_rows<most - 1>(rows, f);
  f.template operator()<most>();
}

// A tile whose sizes are known when it runs: rows ≤ row_tile_rows(vectors), vectors ≤
// kRowTileVectors.
template <class T, SumsFrom from, bool kAdjacent>
__attribute__((noinline)) void row_tile(int64_t rows, int64_t vectors, const T* const* a,
                                        const Segments& inner, const T* b, int64_t b_row, T* c,
                                        int64_t c_row, const T* first = nullptr) {
  const auto with = [&]<int v>() __attribute__((always_inline)) {
    with_rows<int(row_tile_rows(v))>(
        rows, [&]<int r>() __attribute__((always_inline)) {
          row_tile<T, r, v, from, kAdjacent>(a, inner, b, b_row, c, c_row, first);
        });
  };
  if (vectors == 1) return with.template operator()<1>();
  if (kRowTileVectors == 2 || vectors == 2) return with.template operator()<2>();
  if constexpr (kRowTileVectors > 2) {
    if (vectors == 3) return with.template operator()<3>();
    with.template operator()<4>();
  }
}

// body(first row, rows) for tiles of about equal height.
template <class Body>
inline void for_row_tiles(int64_t rows, int64_t vectors, Body&& body) {
  const int64_t most = row_tile_rows(vectors);
  for (int64_t at = 0; at < rows;) {
    const int64_t left = rows - at, tiles = (left + most - 1) / most,
                  height = (left + tiles - 1) / tiles;
    body(at, height);
    at += height;
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
