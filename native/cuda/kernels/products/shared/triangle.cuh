// The lower triangle of a square of tiles, its diagonal included, counted row by row.
#pragma once
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

namespace orthokit::cuda {

inline int64_t triangle_of(int64_t sides) { return sides * (sides + 1) / 2; }

struct TriangleTile {
  int64_t row, column;
  __device__ explicit TriangleTile(int64_t index) {
    row = int64_t((sqrt(8.0 * double(index) + 1.0) - 1.0) * 0.5);
    // The root may be rounded to the next row.
    while ((row + 1) * (row + 2) / 2 <= index) ++row;
    while (row * (row + 1) / 2 > index) --row;
    column = index - row * (row + 1) / 2;
  }
};

}  // namespace orthokit::cuda
