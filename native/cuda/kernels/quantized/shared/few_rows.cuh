// Products of few rows with the rows of a matrix of packed codes: a warp a row of codes.
#pragma once
#include "cuda/device/reduce.cuh"
#include "cuda/kernels/quantized/shared/codes.cuh"
#include "cuda/vector.cuh"

namespace orthokit::cuda {

// Terms of a result besides the product.
struct ProductTo {
  float beta;
  const float* bias;  // or null
  float* c;
  // Element (row, column) of a result of so many columns.
  __device__ void write(int64_t row, int64_t column, int64_t columns, float sum) const {
    float* to = c + row * columns + column;
    const float old = beta == 0 ? 0 : beta * *to;
    *to = sum + old + (bias ? bias[column] : 0);
  }
  // Of `n` neighbours from `column` on, four at most.
  __device__ void write(int64_t row, int64_t column, int64_t columns, int n,
                        const float (&sums)[kVector]) const {
    float* to = c + row * columns + column;
    float values[kVector] = {};
    if (beta != 0) load_raw(to, n, values);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const float old = beta == 0 ? 0 : beta * values[i];
      values[i] = sums[i] + old + (bias && i < n ? bias[column + i] : 0);
    }
    store_raw(to, n, values);
  }
};

inline constexpr int kFewThreads = 128, kFewInputs = 4;

// Rows of a from `first` on, at most kFewInputs. Lanes 0 to 15 of a warp take the lanes of the even
// blocks, the others those of the odd ones.
template <int bits>
__global__ void __launch_bounds__(kFewThreads)
    few_rows_kernel(GroupedRows w, const float* a, int64_t first, int inputs, ProductTo to) {
  const int64_t columns = w.size.row.columns,
                blocks = (columns + math::kBlockCodes - 1) / math::kBlockCodes;
  const int thread = int(threadIdx.x) % kWarp, lane = thread % math::kCodeLanes;
  const int64_t row = int64_t(blockIdx.x) * (kFewThreads / kWarp) + threadIdx.x / kWarp;
  if (row >= w.size.rows) return;
  const float* scales = w.scales_of(row);
  float sums[kFewInputs] = {};
  for (int64_t block = thread / math::kCodeLanes; block < blocks; block += 2) {
    const uint64_t word = lane_of<bits>(w, row, block, lane);
    float of_group[kFewInputs] = {};
    int64_t group = (block * math::kBlockCodes + lane) / w.size.group;
#pragma unroll
    for (int h = 0; h < math::kLaneCodes; ++h) {
      const int64_t k = block * math::kBlockCodes + h * math::kCodeLanes + lane;
      if (k >= columns) break;
      if (k >= (group + 1) * w.size.group) {
        for (int i = 0; i < kFewInputs; ++i)
          sums[i] = fmaf(of_group[i], scales[group], sums[i]), of_group[i] = 0;
        group = k / w.size.group;
      }
      const float number = number_of<bits>(word, h);
#pragma unroll
      for (int i = 0; i < kFewInputs; ++i)
        if (i < inputs) of_group[i] = fmaf(number, a[(first + i) * columns + k], of_group[i]);
    }
    if (block * math::kBlockCodes + lane < columns)
      for (int i = 0; i < kFewInputs; ++i) sums[i] = fmaf(of_group[i], scales[group], sums[i]);
  }
#pragma unroll
  for (int i = 0; i < kFewInputs; ++i) {
    const float sum = warp_reduce<Sum>(sums[i]);
    if (thread == 0 && i < inputs) to.write(first + i, row, w.size.rows, sum);
  }
}

}  // namespace orthokit::cuda
