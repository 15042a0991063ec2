// How the work of a convolution is cut, from its shapes alone.
#pragma once
#include "cpu/variant.h"
#include "ops/network/shared/conv2d.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A product of the matrix of all pixels.
inline bool is_pointwise(const Conv2dSizes& s) {
  return s.kernel_height == 1 && s.kernel_width == 1 && s.stride[0] == 1 && s.stride[1] == 1 &&
         s.padding[0] == 0 && s.padding[1] == 0 && s.groups == 1;
}
// Its images as one, or as one for each sample, with a pixel a row.
inline void as_one_column(View& images, int64_t samples = 1) {
  images.shape[1] *= images.shape[0] / samples * images.shape[2];
  images.shape[0] = samples, images.shape[2] = 1;
}

// Rows of the result whose part of the image, with its padding, stays in the second cache.
inline int64_t band_rows(int64_t out_height, int64_t stride, int64_t reach, int64_t row_bytes) {
  constexpr int64_t kBandBytes = 256 << 10;
  const int64_t rows = std::max<int64_t>(8, (kBandBytes / row_bytes - reach) / stride + 1),
                bands = (out_height + rows - 1) / rows;
  return (out_height + bands - 1) / bands;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
