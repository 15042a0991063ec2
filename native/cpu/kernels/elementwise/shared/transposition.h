// Transposed copies of elements of any size, in tiles of a cache line's side.
#pragma once
#include <algorithm>

#include "cpu/square.h"
#include "cpu/streaming.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The side of a tile: a line of x's rows becomes lines of out's. More rows than these are more than
// the processor fetches ahead.
template <class Bits>
inline constexpr int64_t kTile = kLine / sizeof(Bits);

template <class Bits>
void transpose_any(const Bits* x, int64_t columns, int64_t height, int64_t width, Bits* out,
                   int64_t rows) {
  for (int64_t i = 0; i < height; ++i)
    for (int64_t j = 0; j < width; ++j) out[j * rows + i] = x[i * columns + j];
}

template <class Bits>
void transpose_tile(const Bits* x, int64_t columns, Bits* out, int64_t rows, bool streams) {
  alignas(kLine) Bits tile[kTile<Bits>][kTile<Bits>];
  for (int64_t i = 0; i < kTile<Bits>; i += kSide<Bits>)
    for (int64_t j = 0; j < kTile<Bits>; j += kSide<Bits>)
      transpose_square(x + i * columns + j, columns, &tile[j][i], kTile<Bits>);
  for (int64_t j = 0; j < kTile<Bits>; ++j) {
    if (streams)
      stream_lines(out + j * rows, tile[j], sizeof tile[j]);
    else
      std::memcpy(out + j * rows, tile[j], sizeof tile[j]);
  }
}

// Rows `top` … `top` + kTile − 1 of x, whose rows are `x_stride` apart, and out's `out_stride`.
template <class Bits>
void transpose_band(const Bits* x, int64_t x_stride, Bits* out, int64_t out_stride, int64_t rows,
                    int64_t columns, int64_t top, bool streams) {
  const int64_t height = std::min(kTile<Bits>, rows - top);
  for (int64_t left = 0; left < columns; left += kTile<Bits>) {
    const int64_t width = std::min(kTile<Bits>, columns - left);
    const Bits* from = x + top * x_stride + left;
    Bits* to = out + left * out_stride + top;
    if (height == kTile<Bits> && width == kTile<Bits>)
      transpose_tile(from, x_stride, to, out_stride, streams);
    else
      transpose_any(from, x_stride, height, width, to, out_stride);
  }
}

// f.operator()<Bits>() with an unsigned type of an element's size.
template <class F>
void visit_bits(Dtype dtype, F&& f) {
  switch (bytes_of(dtype)) {
    case 1:
      return f.template operator()<uint8_t>();
    case 2:
      return f.template operator()<uint16_t>();
    case 4:
      return f.template operator()<uint32_t>();
    default:
      return f.template operator()<uint64_t>();
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
