// A convolution of some rows of one image, as a product whose left factor is never unfolded: the
// row of a pixel is a pointer to the first element under the kernel, and the kernel's rows are
// segments from there. Only the kernels are packed, their numbers across the lanes.
#pragma once
#include "cpu/convert.h"
#include "cpu/row_tile.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Pixels [rows, columns] of a result.
struct Walk {
  int64_t rows, columns;
  int64_t image_row, image_pixel;  // elements of the image to the pixel below, and to that beside
  Segments inner;                  // what lies under the kernel
};

// Sums of `count` numbers a pixel: out = bias + sums + beta · out, element `at` for the first
// pixel, `row` and `pixel` further for that below and that beside.
template <class T>
struct SumsTo {
  View out;
  int64_t at, row, pixel, count;
  T beta;
  const T* bias;  // of whole panels; null: none

  bool is_direct() const {
    return bytes_of(out.dtype) == sizeof(T) && beta == 0 && count % kVectorSize<T> == 0;
  }
  void store(const T* sums, int64_t to, int64_t n) const { store_sums(out, to, n, sums, beta); }
};

// Elements of the panels of a group's weights.
template <class T>
int64_t packed_size(int64_t depth, int64_t columns) {
  return depth * whole_vectors<T>(columns);
}

// out[r] = first + Σ over the segments of image[r] ⊙ weights, for `rows` pixels and one vector of
// channels.
template <class T, int rows>
inline void channel_tile(const T* const* image, const Segments& inner, const T* weights,
                         int64_t width, T* out, int64_t out_row, const T* first) {
  Vector<T> sum[rows];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) {
    sum[r] = Vector<T>{};
    if (first) load<T>(first, sum[r]);
  }
  for (int64_t s = 0; s < inner.count; ++s) {
    Vector<T> weight;
    load<T>(weights + s * width, weight);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) add_product<T>(weight, image[r] + inner.at[s], sum[r]);
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) store<T>(sum[r], out + r * out_row);
}

// Of some pixels and a panel of channels.
template <class T>
void channel_tiles(int64_t rows, int64_t width, const T* const* image, const Segments& inner,
                   const T* weights, T* out, int64_t out_row, const T* first) {
  for (int64_t c = 0; c < width; c += kVectorSize<T>) {
    const T* left[kRowTileRows];
    for (int64_t r = 0; r < rows; ++r) left[r] = image[r] + c;
    with_rows<kRowTileRows>(rows, [&]<int n>() {
      channel_tile<T, n>(left, inner, weights + c, width, out + c, out_row,
                         first ? first + c : nullptr);
    });
  }
}

// `weights`: panels of kRowTileColumns, the last one narrower, each [depth of the segments][width].
// `by_channel`: a channel has one kernel, and the image whole vectors of channels.
template <class T>
void convolve(const Walk& walk, const T* image, const T* weights, const SumsTo<T>& to,
              bool by_channel = false) {
  // Whole inner sides in one pass: sums stay in registers, weights come from the second cache. A
  // panel passes over a group of pixels.
  constexpr int64_t kPixels = 96, kColumns = kRowTileColumns<T>;
  const int64_t pixels = walk.rows * walk.columns, depth = walk.inner.count * walk.inner.depth;
  const bool direct = to.is_direct() && to.row == walk.columns * to.pixel;
  for (int64_t at = 0; at < pixels; at += kPixels) {
    const int64_t n = std::min(kPixels, pixels - at);
    const T* left[kPixels];
    int64_t where[kPixels];
    for (int64_t p = 0, i = at / walk.columns, j = at % walk.columns; p < n; ++p) {
      left[p] = image + i * walk.image_row + j * walk.image_pixel;
      where[p] = to.at + i * to.row + j * to.pixel;
      if (++j == walk.columns) j = 0, ++i;
    }
    for (int64_t c = 0; c < to.count; c += kColumns) {
      const int64_t columns = std::min(kColumns, to.count - c), width = whole_vectors<T>(columns);
      const T* right = weights + c * depth;
      const int64_t vectors = width / kVectorSize<T>;
      for_row_tiles(n, vectors, [&](int64_t p, int64_t rows) {
        alignas(64) T own[kRowTileRows * kRowTileColumns<T>];
        T* sums = direct ? to.out.template as<T>() + where[p] + c : own;
        const int64_t sums_row = direct ? to.pixel : width;
        if (by_channel) {
          const T* image[kRowTileRows];
          for (int64_t r = 0; r < rows; ++r) image[r] = left[p + r] + c;
          channel_tiles(rows, width, image, walk.inner, right, sums, sums_row,
                        to.bias ? to.bias + c : nullptr);
        } else if (to.bias)
          row_tile<T, SumsFrom::kRow, true>(rows, vectors, left + p, walk.inner, right, width, sums,
                                            sums_row, to.bias + c);
        else
          row_tile<T, SumsFrom::kZero, true>(rows, vectors, left + p, walk.inner, right, width,
                                             sums, sums_row);
        if (!direct)
          for (int64_t r = 0; r < rows; ++r) to.store(own + r * width, where[p + r] + c, columns);
      });
    }
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
