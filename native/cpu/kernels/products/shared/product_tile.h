// One tile of a product of f32 or f64 matrices, from its factors to the result.
#pragma once
#include <algorithm>
#include <array>
#include <utility>

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

// c = alpha · sums, column after column, where c is as narrow as a column.
template <class T, int rows>
void store_columns(const T* sums, int64_t width, int64_t columns, T alpha, T* c) {
  constexpr int kLanes = kVectorSize<T>;
  for (int64_t j = 0; j < columns; j += kLanes, c += rows * kLanes) {
    Vector<T> x[rows];
    for (int r = 0; r < rows; ++r) load<T>(sums + r * width + j, x[r]), x[r] *= alpha;
    // Lanes of the upper and the lower half of the rows in turn, until all rows are.
    for (int step = 1; step < rows; step *= 2) {
      Vector<T> pair[rows];
      [&]<size_t... l>(std::index_sequence<l...>) __attribute__((always_inline)) {
        for (int r = 0; r < rows / 2; ++r) {
          const Vector<T> a = x[r], b = x[r + rows / 2];
          pair[2 * r] = __builtin_shufflevector(a, b, (l / 2 + l % 2 * kLanes)...);
          pair[2 * r + 1] = __builtin_shufflevector(a, b, (kLanes / 2 + l / 2 + l % 2 * kLanes)...);
        }
      }
      (std::make_index_sequence<size_t(kLanes)>());
      std::copy_n(pair, rows, x);
    }
    for (int r = 0; r < rows; ++r) store<T>(x[r], c + r * kLanes);
  }
}

// The same of a tile whose columns are rows of c.
template <class T>
__attribute__((noinline)) void store_turned(const T* sums, int64_t width, int64_t rows,
                                            int64_t columns, const RowResult<T>& to) {
  const bool adds = to.beta != 0;
  if (to.stride == rows && columns % kVectorSize<T> == 0 && !adds && !to.bias) {
    if (rows == 2) return store_columns<T, 2>(sums, width, columns, to.alpha, to.c);
    if (rows == 4) return store_columns<T, 4>(sums, width, columns, to.alpha, to.c);
  }
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

// A left factor: element k of row r at data[r · row + k · element].
template <class T>
struct TileRows {
  const T* data;
  int64_t row, element;

  // Rows that lie across, beside each other, or along, one after the other.
  TileRows(const T* a, int64_t stride, bool across)
      : data(a), row(across ? 1 : stride), element(across ? stride : 1) {}
  TileRows from(int64_t r) const {
    TileRows rest = *this;
    rest.data += r * row;
    return rest;
  }
};

// Known of a tile's rows where registers do not hold their pointers: high tiles have a code for
// each.
enum class Lie { kAny, kAlong, kAcross };
inline constexpr int kRowPointers = 6;

// `tiles` tiles, each below the one before. Of the right factor's rows `columns` numbers count;
// where there are no masks, its rows are whole vectors.
template <class T, int rows, int vectors, Lie lie>
__attribute__((noinline)) void product_tile(int64_t tiles, TileRows<T> a, int64_t depth, const T* b,
                                            int64_t b_stride, const RowResult<T>& to,
                                            int64_t columns) {
  constexpr int kLanes = kVectorSize<T>, kWidth = vectors * kLanes, kLast = kWidth - kLanes;
  const int64_t distance = lie == Lie::kAcross ? 1 : a.row,
                next = lie == Lie::kAlong ? 1 : a.element;
  const T *old = to.old, *bias = to.bias;
  T* c = to.c;
  const T alpha = to.alpha, beta = to.beta;
  const int64_t stride = to.stride, step = rows * (to.is_turned ? 1 : stride),
                count = columns - kLast;  // of the last vector
  const bool is_whole = count == kLanes, is_direct = !to.is_turned && (kFreeMasks || is_whole);
  for (; tiles > 0; --tiles, a = a.from(rows), c += step, old += step) {
    Vector<T> sum[rows][vectors];
    // body(a vector of sums, its place in the result, its column)
    const auto each = [&](auto&& body) __attribute__((always_inline)) {
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) body(sum[r][v], r * stride + v * kLanes, v * kLanes);
    };
    if (is_direct) each([&](Vector<T>&, int64_t at, int) { __builtin_prefetch(c + at, 1); });
    const T* left[rows];
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) left[r] = a.data + r * distance;
    each([](Vector<T>& x, int64_t, int) { x = Vector<T>{}; });
    const auto add = [&](auto&& load_last) __attribute__((always_inline)) {
      const T* row = b;
      for (int64_t k = 0, at = 0; k < depth; ++k, at += next, row += b_stride) {
        Vector<T> right[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors - 1; ++v) load<T>(row + v * kLanes, right[v]);
        load_last(row + kLast, right[vectors - 1]);
#pragma GCC unroll 12
        for (int r = 0; r < rows; ++r) {
          Vector<T> x;
          x = left[r][at] - Vector<T>{};  // in all lanes; minus 0 is exact
#pragma GCC unroll 4
          for (int v = 0; v < vectors; ++v) add_product<T>(x, right[v], sum[r][v]);
        }
      }
    };
    if (!kHasMasks || is_whole)
      add([](const T* row, Vector<T>& x) { load<T>(row, x); });
    else
      add([&](const T* row, Vector<T>& x) { load_first<T>(row, count, x); });
    if (!is_direct) {
      alignas(kVectorBytes) T sums[rows * kWidth];
      each([&, at = sums](Vector<T>& x, int64_t, int) mutable { store<T>(x, at), at += kLanes; });
      const RowResult<T> part{alpha, beta, old, bias, c, stride, 0, to.is_turned};
      (to.is_turned ? store_turned<T> : store_part<T>)(sums, kWidth, rows, columns, part);
      if (to.is_turned && bias) bias += rows;
      continue;
    }
    const auto load_part = [&](const T* from, int column, Vector<T>& x)
        __attribute__((always_inline)) {
      const bool is_last = kFreeMasks && column == kLast;
      is_last ? load_first<T>(from, count, x) : load<T>(from, x);
    };
    if (alpha != 1) each([&](Vector<T>& x, int64_t, int) { x *= alpha; });
    if (beta != 0)
      each([&](Vector<T>& x, int64_t at, int column) {
        Vector<T> added;
        load_part(old + at, column, added);
        x += beta * added;
      });
    if (bias)
      each([&](Vector<T>& x, int64_t, int column) {
        Vector<T> added;
        load_part(bias + column, column, added);
        x += added;
      });
    each([&](Vector<T>& x, int64_t at, int column) {
      const bool is_last = kFreeMasks && column == kLast;
      is_last ? store_first<T>(x, count, c + at) : store<T>(x, c + at);
    });
  }
}

template <class T>
using ProductTile = void (*)(int64_t tiles, TileRows<T> a, int64_t depth, const T* b,
                             int64_t b_stride, const RowResult<T>& to, int64_t columns);

// Rows of a tile, at most: as many as there are registers for.
#if defined(__AVX512F__)
inline constexpr int64_t kHighTileVectors = 2;
#elif defined(__AVX2__)
inline constexpr int64_t kHighTileVectors = 1;
#else
inline constexpr int64_t kHighTileVectors = 0;
#endif
inline constexpr int product_tile_rows(int64_t vectors) {
  return vectors > kHighTileVectors ? 6 : 12;
}

// Tiles of so many rows and vectors.
template <class T, Lie lie>
ProductTile<T> product_tile_of(int64_t rows, int64_t vectors) {
  static constexpr auto of = []<int v, int... r>(std::integer_sequence<int, r...>) {
    return std::array<ProductTile<T>, 12>{product_tile < T, r + 1, v,
                                          r < kRowPointers ? Lie::kAny : lie > ...};
  };
  static constexpr auto with = []<int v>() {
    return of.template operator()<v>(std::make_integer_sequence<int, product_tile_rows(v)>{});
  };
  static constexpr std::array<ProductTile<T>, 12> all[] = {
      with.template operator()<1>(), with.template operator()<2>(),
      with.template operator()<std::min(3, kRowTileVectors)>(),
      with.template operator()<kRowTileVectors>()};
  return all[vectors - 1][size_t(rows - 1)];
}

// All rows of a left factor by one panel of columns, in tiles of about equal height.
template <class T>
inline void multiply_panel(int64_t rows, TileRows<T> a, int64_t depth, const T* b, int64_t b_stride,
                           const RowResult<T>& to, int64_t columns) {
  const int64_t vectors = (columns + kVectorSize<T> - 1) / kVectorSize<T>,
                most = product_tile_rows(vectors), tiles = (rows + most - 1) / most,
                height = (rows + tiles - 1) / tiles, high = rows - (height - 1) * tiles;
  const auto tile_of =
      a.row == 1 ? product_tile_of<T, Lie::kAcross> : product_tile_of<T, Lie::kAlong>;
  tile_of(height, vectors)(high, a, depth, b, b_stride, to, columns);
  if (high == tiles) return;
  const int64_t row = high * height;
  tile_of(height - 1, vectors)(tiles - high, a.from(row), depth, b, b_stride, to.from(0, row, 0),
                               columns);
}

// The same of a triangle: what is on and below a diagonal that begins in row `first` of these rows,
// or before them. Of tiles that it crosses, numbers above it are computed, too.
template <class T>
inline void multiply_panel_below(int64_t rows, TileRows<T> a, int64_t depth, const T* b,
                                 int64_t b_stride, const RowResult<T>& to, int64_t columns,
                                 int64_t first) {
  constexpr int64_t kHeight = product_tile_rows(kRowTileVectors);
  int64_t i = std::max<int64_t>(0, first);
  for (; i < rows && i - first < columns; i += kHeight) {
    const int64_t height = std::min(kHeight, rows - i),
                  width = std::min(columns, whole_vectors<T>(i + height - first));
    multiply_panel<T>(height, a.from(i), depth, b, b_stride, to.from(0, i, 0), width);
  }
  if (i < rows)
    multiply_panel<T>(rows - i, a.from(i), depth, b, b_stride, to.from(0, i, 0), columns);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
