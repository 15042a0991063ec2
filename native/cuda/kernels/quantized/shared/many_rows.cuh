// Products of many rows with a matrix of packed codes, which is unpacked in tiles in shared memory:
// only packed bytes are read.
#pragma once
#include "cuda/kernels/quantized/shared/few_rows.cuh"
#include "cuda/kernels/quantized/shared/many_tiles.cuh"

namespace orthokit::cuda {

// Elements after which a running sum is added up.
inline constexpr int kManyRun = 512;

// Sums of a thread: 4 × 4 of a tile of 64 × 64.
struct ManySums {
  float run[4][4] = {}, total[4][4] = {};

  __device__ __forceinline__ void add(const float (&x)[4], const float (&y)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) run[i][j] = fmaf(x[i], y[j], run[i][j]);
  }
  __device__ __forceinline__ void fold() {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) total[i][j] += run[i][j], run[i][j] = 0;
  }
};

// Rows of a and elements of them.
struct ManyLeft {
  const float* a;
  int64_t inputs, inner;

  // 64 rows from `row` on, elements of them from k on, zeros beyond. A warp takes 8 elements of 4
  // rows: whole sectors, and no two of them in one bank of a tile.
  template <class Tile>
  __device__ __forceinline__ void load(int64_t row, int64_t k, Tile& tile) const {
    constexpr int kElements = 8, kRows = kWarp / kElements;
    static_assert(kManyThreads / kWarp * kElements == kManyDepth);
    const int thread = int(threadIdx.x) % kWarp, first = thread / kElements,
              at = int(threadIdx.x) / kWarp * kElements + thread % kElements;
    const int rows = k + at < inner ? int(min(int64_t(kManySide), inputs - row)) : 0;
    const float* from = a + (row + first) * inner + k + at;
#pragma unroll 8
    for (int r = first; r < kManySide; r += kRows, from += kRows * inner)
      tile.left[at][r] = r < rows ? *from : 0;
  }
};

// c = a · wᵀ, or a · w. `across`: tiles of columns.
template <int bits, bool forward>
__global__ void __launch_bounds__(kManyThreads, forward ? 3 : 2)
    many_rows_kernel(GroupedRows w, ManyLeft left, unsigned across, ProductTo to) {
  __shared__ ManyTile<forward> tile;
  using Right = std::conditional_t<forward, ManyForth<bits>, ManyBack<bits>>;
  Right right(w, blockIdx.x % across);
  const int64_t row = int64_t(blockIdx.x / across) * kManySide,
                columns = forward ? w.size.rows : w.size.row.columns;
  const int own_row = int(threadIdx.x) / 16 * 4, own_column = int(threadIdx.x) % 16 * 4;
  ManySums sums;
  for (int64_t k = 0; k < left.inner; k += kManyDepth) {
    __syncthreads();  // the last tile has been read
    left.load(row, k, tile);
    right.unpack(w, k, tile);
    __syncthreads();
    right.each(w, tile, own_column, [&](int at, const float(&y)[4]) {
      float x[4];
      Vec<float>::load(&tile.left[at][own_row], x);
      sums.add(x, y);
    });
    if ((k + kManyDepth) % kManyRun == 0) sums.fold();
  }
  sums.fold();
  const int64_t column = right.column_of(own_column);
  const int n = int(min(int64_t(kVector), columns - column));
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (row + own_row + i < left.inputs && n > 0)
      to.write(row + own_row + i, column, columns, n, sums.total[i]);
}

}  // namespace orthokit::cuda
