// Rows of a head as the tiles of attention read them: in the arithmetic's type, padded by zeros.
#pragma once
#include <algorithm>
#include <cstring>

#include "cpu/convert.h"
#include "cpu/kernels/network/shared/attention_tile.h"
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
struct HeadRows {
  const T* data;
  int64_t stride;
  const T* at(int64_t row) const { return data + row * stride; }
};

// `rows` rows of x, after `before` rows of zeros and before others: `all` together.
template <class S, class T>
void pack_rows(const S* x, int64_t stride, int64_t before, int64_t rows, int64_t all, int64_t size,
               int64_t padded, T* out) {
  std::fill_n(out, before * padded, T(0));
  out += before * padded;
  for (int64_t r = 0; r < rows; ++r, out += padded, x += stride) {
    if constexpr (std::is_same_v<S, T>)
      std::memcpy(out, x, size_t(size) * sizeof(T));
    else
      for (int64_t c = 0; c < size; ++c) out[c] = convert<T>(x[c]);
    for (int64_t c = size; c < padded; ++c) out[c] = 0;
  }
  std::fill_n(out, (all - before - rows) * padded, T(0));
}

// to[c · to_stride + r] = factor · from[r · from_stride + c].
template <class T>
void transpose_rows(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T factor,
                    T* to, int64_t to_stride) {
  if constexpr (sizeof(T) == sizeof(float)) {
    transpose(from, from_stride, rows, columns, to, to_stride);
    if (factor != 1)
      for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r) to[c * to_stride + r] *= factor;
  } else {
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t r = 0; r < rows; ++r) to[c * to_stride + r] = factor * from[r * from_stride + c];
  }
}

// The places of a tile across the lanes: out[size, kTilePlaces], with zeros beyond `rows` up to
// `width`.
template <class T>
void pack_columns(const HeadRows<T>& x, int64_t rows, int64_t width, int64_t size, T factor,
                  T* out) {
  transpose_rows(x.data, x.stride, rows, size, factor, out, kTilePlaces);
  if (rows < width)
    for (int64_t c = 0; c < size; ++c)
      std::fill(out + c * kTilePlaces + rows, out + c * kTilePlaces + width, T(0));
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
