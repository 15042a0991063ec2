// Convolutions by kernels that are not finite, whose products with the zeros beyond an image's
// edges would be NaN: without these products, pixel by pixel.
#pragma once
#include "cpu/kernels/network/shared/convolve.h"
#include "cpu/stream.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// True without NaN and infinities, of whole vectors.
template <class T>
bool are_finite(const T* x, int64_t count) {
  Vector<T> zeros{};
  for (int64_t i = 0; i < count; i += kVectorSize<T>) {
    Vector<T> some;
    load<T>(x + i, some);
    zeros += some - some;
  }
  for (int i = 0; i < kVectorSize<T>; ++i)
    if (zeros[i] != 0) return false;
  return true;
}
template <class T>
bool are_finite(const T* x, int64_t count, Stream& stream) {
  constexpr int64_t kPiece = 1 << 14;
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  auto* found = stream.scratch<bool>(pieces);
  stream.parallel(pieces, [&](int64_t p) {
    found[p] = are_finite(x + p * kPiece, std::min(kPiece, count - p * kPiece));
  });
  return std::all_of(found, found + pieces, [](bool finite) { return finite; });
}

// As convolve, of kernels with so many taps. for_taps(i, j, f) calls f(tap, pixel of the image) for
// those that lie on the image at row i, column j of the result.
template <class T, class ForTaps>
void convolve_inside(int64_t rows, int64_t columns, int64_t taps, int64_t channels, bool by_channel,
                     const T* weights, const SumsTo<T>& to, ForTaps&& for_taps) {
  constexpr int64_t kColumns = kRowTileColumns<T>;
  alignas(64) T sums[kColumns];
  for (int64_t c = 0; c < to.count; c += kColumns) {
    const int64_t count = std::min(kColumns, to.count - c), width = whole_vectors<T>(count);
    const int64_t each = by_channel ? 1 : channels;
    const T* panel = weights + c * taps * each;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        if (to.bias)
          std::copy_n(to.bias + c, width, sums);
        else
          std::fill_n(sums, width, T(0));
        for_taps(i, j, [&](int64_t tap, const T* pixel) {
          const T* right = panel + tap * each * width;
          const T* left = by_channel ? pixel + c : pixel;
          if (by_channel)
            channel_tiles(1, width, &left, {kNoOffset, 1, 1}, right, sums, width, sums);
          else
            row_tile<T, SumsFrom::kResult, true>(1, width / kVectorSize<T>, &left,
                                                 {kNoOffset, 1, each}, right, width, sums, width);
        });
        to.store(sums, to.at + i * to.row + j * to.pixel + c, count);
      }
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
