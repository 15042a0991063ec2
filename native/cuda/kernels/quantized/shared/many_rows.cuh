// Products of many rows with a matrix of packed codes, which is unpacked in tiles in shared memory:
// only packed bytes are read.
#pragma once
#include "cuda/kernels/quantized/shared/few_rows.cuh"

namespace orthokit::cuda {

inline constexpr int kManyThreads = 256, kManySide = 64;
// Elements of the inner side in shared memory, and those after which a running sum is added up.
inline constexpr int kManyDepth = 64, kManyRun = 512;
// A line of a tile in shared memory: whole vectors of four, and banks move on from line to line.
inline constexpr int kManyLine = kManySide + 4;

struct ManyTile {
  float left[kManyDepth][kManyLine];   // element k of the rows of a, side by side
  float right[kManyDepth][kManyLine];  // element k of the columns of op(w)
};

// Sums of a thread: 4 × 4 of a tile of 64 × 64.
struct ManySums {
  float run[4][4] = {}, total[4][4] = {};
  int length = 0;

  __device__ __forceinline__ void add(const ManyTile& tile, int row, int column) {
#pragma unroll 8
    for (int k = 0; k < kManyDepth; ++k) {
      float x[4], y[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) x[i] = tile.left[k][row + i], y[i] = tile.right[k][column + i];
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) run[i][j] = fmaf(x[i], y[j], run[i][j]);
    }
    length += kManyDepth;
    if (length >= kManyRun) fold();
  }
  __device__ __forceinline__ void fold() {
    length = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) total[i][j] += run[i][j], run[i][j] = 0;
  }
};

// Rows of a from `row` on and their elements from k on, zeros beyond.
__device__ __forceinline__ void load_left(ManyTile& tile, const float* a, int64_t inputs,
                                          int64_t inner, int64_t row, int64_t k) {
  for (int i = int(threadIdx.x); i < kManySide * kManyDepth; i += kManyThreads) {
    const int r = i / kManyDepth, at = i % kManyDepth;
    tile.left[at][r] = row + r < inputs && k + at < inner ? a[(row + r) * inner + k + at] : 0.0f;
  }
}

// Half of a block of codes, which is 4 codes of each lane, of a row of w: write(place, number) for
// each element, from 0 to 63.
template <int bits, class Write>
__device__ __forceinline__ void unpack_half(const GroupedRows& w, int64_t row, int64_t half,
                                            int lane, Write&& write) {
  const int64_t columns = w.size.row.columns, begin = half * kManyDepth;
  const bool is_there = row < w.size.rows && begin < columns;
  const uint64_t word = is_there ? lane_of<bits>(w, row, half / 2, lane) : 0;
#pragma unroll
  for (int h = 0; h < 4; ++h) {
    const int place = h * math::kCodeLanes + lane;
    float number = 0;
    if (is_there && begin + place < columns)
      number = number_of<bits>(word, h + 4 * int(half % 2)) *
               w.scales_of(row)[(begin + place) / w.size.group];
    write(place, number);
  }
}

// c = a · wᵀ, or a · w.
template <int bits, bool forward>
__global__ void __launch_bounds__(kManyThreads)
    many_rows_kernel(GroupedRows w, const float* a, int64_t inputs, int64_t across, ProductTo to) {
  __shared__ ManyTile tile;
  const int64_t inner = forward ? w.size.row.columns : w.size.rows,
                columns = forward ? w.size.rows : w.size.row.columns,
                row = int64_t(blockIdx.x) / across * kManySide,
                column = int64_t(blockIdx.x) % across * kManySide;
  const int own_row = int(threadIdx.x) / 16 * 4, own_column = int(threadIdx.x) % 16 * 4;
  ManySums sums;
  for (int64_t k = 0; k < inner; k += kManyDepth) {
    __syncthreads();  // the last tile has been read
    load_left(tile, a, inputs, inner, row, k);
    for (int i = int(threadIdx.x); i < kManySide * math::kCodeLanes; i += kManyThreads) {
      const int line = i / math::kCodeLanes, lane = i % math::kCodeLanes;
      if constexpr (forward)
        unpack_half<bits>(w, column + line, k / kManyDepth, lane,
                          [&](int place, float number) { tile.right[place][line] = number; });
      else
        unpack_half<bits>(w, k + line, column / kManyDepth, lane,
                          [&](int place, float number) { tile.right[line][place] = number; });
    }
    __syncthreads();
    sums.add(tile, own_row, own_column);
  }
  sums.fold();
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (row + own_row + i < inputs && column + own_column + j < columns)
        to.write(row + own_row + i, column + own_column + j, columns, sums.total[i][j]);
}

}  // namespace orthokit::cuda
