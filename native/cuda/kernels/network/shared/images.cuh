// Images [N, H, W, C] whose pixels threads take, some channels at a time.
#pragma once
#include "cuda/kernels/network/shared/wide.cuh"
#include "cuda/matrix.cuh"

namespace orthokit::cuda {

struct Pixel {
  int64_t image, row, column;
};
// By its number in images of so many rows and columns.
__device__ __forceinline__ Pixel pixel_of(int64_t number, int64_t rows, int64_t columns) {
  const int64_t line = number / columns;
  return {line / rows, line % rows, number - line * columns};
}

struct Images {
  int64_t height, width, channels;
  __device__ int64_t element(const Pixel& at, int64_t channel) const {
    return ((at.image * height + at.row) * width + at.column) * channels + channel;
  }
  // From an element to that so many rows below and columns to the right.
  __device__ int64_t distance(int rows, int columns) const {
    return (rows * width + columns) * channels;
  }
};
inline Images images_of(const View& x) { return {x.shape[1], x.shape[2], x.shape[3]}; }

}  // namespace orthokit::cuda
