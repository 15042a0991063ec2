// The tiles of a product's result, in the order in which blocks take them, and the sum of slices.
#pragma once
#include "cuda/convert.cuh"
#include "cuda/kernels/products/shared/sliced_work.cuh"
#include "ops/products/gemm.h"

namespace orthokit::cuda {

struct GemmWork : SlicedWork {
  int64_t m, n, tile_rows, tile_columns;
  int64_t a_matrix, b_matrix;  // elements
};

// In tiles of this side; a row of an operand begins so many elements behind the one before.
inline GemmWork gemm_work(const Gemm& op, int side, int64_t a_stride, int64_t b_stride,
                          int64_t stage) {
  const Matrices s = matrices(op.c);
  const int64_t rows = parts_of(s.rows, side), columns = parts_of(s.columns, side);
  return {{rows * columns, s.batch, op.alpha == 0 ? 0 : op.inner(), stage},
          s.rows,
          s.columns,
          rows,
          columns,
          matrices(op.a).rows * a_stride,
          matrices(op.b).rows * b_stride};
}

// run<a_deep, b_deep>(): whether the rows of an operand lie along the depth.
template <class Run>
void with_forms(const Gemm& op, Run&& run) {
  const bool a_deep = op.trans_a == Transpose::kNone, b_deep = op.trans_b != Transpose::kNone;
  if (a_deep)
    b_deep ? run.template operator()<true, true>() : run.template operator()<true, false>();
  else
    b_deep ? run.template operator()<false, true>() : run.template operator()<false, false>();
}

struct TilePosition {
  int64_t row, column;
};

// Sixteen rows of tiles are walked column by column: blocks that run at once share their panels.
__device__ __forceinline__ TilePosition gemm_tile(const GemmWork& work, int64_t index) {
  constexpr int64_t kRows = 16;
  const int64_t group = index / (kRows * work.tile_columns), first = group * kRows,
                rest = work.tile_rows - first, rows = rest < kRows ? rest : kRows,
                at = index % (kRows * work.tile_columns);
  return {first + at % rows, at / rows};
}

// Beta old + a row of the bias, which a product is added to.
template <class Sum, class T>
struct Added {
  const T *old, *bias;
  Sum beta;
  // To element i of a result of so many columns.
  __device__ __forceinline__ Sum to(Sum product, int64_t i, int64_t columns) const {
    if (beta != 0) product = fused(beta, convert<Sum>(old[i]), product);
    return bias ? product + convert<Sum>(bias[i % columns]) : product;
  }
};
template <class Sum, class T>
Added<Sum, T> added_of(const Gemm& op) {
  return {(op.addend ? op.addend : op.c).as<T>(), op.bias ? op.bias.as<T>() : nullptr,
          Sum(op.beta)};
}

// c = alpha (the sum of slices) + what is added, slices in order.
template <class Sum, class T>
__global__ void __launch_bounds__(kTileThreads)
    sum_slices_kernel(const Sum* slices, int count, int64_t size, Sum alpha, Added<Sum, T> added,
                      int64_t columns, T* c) {
  for (int64_t i = int64_t(blockIdx.x) * kTileThreads + threadIdx.x; i < size;
       i += int64_t(gridDim.x) * kTileThreads) {
    Sum sum = 0;
    for (int s = 0; s < count; ++s) sum += slices[s * size + i];
    c[i] = convert<T>(added.to(alpha * sum, i, columns));
  }
}

template <class Sum, class T>
void sum_slices(Stream& stream, const Sum* slices, int64_t count, int64_t size, Sum alpha,
                const Added<Sum, T>& added, int64_t columns, T* c) {
  launch(stream, sum_slices_kernel<Sum, T>,
         {blocks_for(parts_of(size, kTileThreads)), kTileThreads}, slices, int(count), size, alpha,
         added, columns, c);
}

}  // namespace orthokit::cuda
