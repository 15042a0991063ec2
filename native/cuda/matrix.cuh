// Work on each element of a matrix by itself, where the row says what is done.
#pragma once
#include <bit>

#include "cuda/groups.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kMatrixThreads = 256;  // of a block

// How a block is laid over the matrix: 2^shift threads side by side, the rest in rows below.
struct Tiling {
  int64_t rows, columns;  // columns in groups
  int shift;
  int64_t across, tiles;  // tiles from left to right, and of the matrix
};

// At once on a multiprocessor, at least: four leave 64 registers; without a bound ptxas spills to
// hold more. A body that needs more registers has its own `kBlocks`.
template <class Body>
constexpr int blocks_of_matrix() {
  if constexpr (requires { Body::kBlocks; }) return Body::kBlocks;
  return 4;
}

template <int N, class Body>
__global__ void __launch_bounds__(kMatrixThreads, blocks_of_matrix<Body>())
    matrix_kernel(Tiling tiling, Body body) {
  const int own = int(threadIdx.x) & ((1 << tiling.shift) - 1);
  const int below = int(threadIdx.x) >> tiling.shift;
  for (int64_t tile = blockIdx.x; tile < tiling.tiles; tile += gridDim.x) {
    const int64_t down = tile / tiling.across, right = tile - down * tiling.across;
    const int64_t row = down * (kMatrixThreads >> tiling.shift) + below;
    const int64_t group = (right << tiling.shift) + own;
    if (row < tiling.rows && group < tiling.columns) body.template operator()<N>(row, group * N);
  }
}

inline Tiling tile(int64_t rows, int64_t groups) {
  const uint64_t most = kMatrixThreads, wide = uint64_t(groups) < most ? uint64_t(groups) : most;
  const int shift = int(std::bit_width(wide - 1));
  const int64_t height = kMatrixThreads >> shift, width = int64_t(1) << shift;
  const int64_t across = (groups + width - 1) / width;
  return {rows, groups, shift, across, (rows + height - 1) / height * across};
}

// body.operator()<N>(i, j) for elements j … j + N − 1 of row i, one thread a group. A body is a
// struct of plain data with a __device__ operator() that is a template of N.
template <class Body>
void for_matrix(Stream& stream, int64_t rows, int64_t columns, const Body& body) {
  if (rows == 0 || columns == 0) return;
  const bool fours = columns % kVector == 0;
  const Tiling tiling = tile(rows, fours ? columns / kVector : columns);
  const auto kernel = fours ? matrix_kernel<kVector, Body> : matrix_kernel<1, Body>;
  launch(stream, kernel, {blocks_for(tiling.tiles), kMatrixThreads}, tiling, body);
}

}  // namespace orthokit::cuda
