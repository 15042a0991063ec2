#include "cuda/kernels/products/shared/gemm_tiles.cuh"
#include "cuda/kernels/products/shared/half_products.h"
#include "cuda/kernels/products/shared/half_tile.cuh"

namespace orthokit::cuda {

template <class T>
struct HalfGemmOut {
  T* c;
  float* slices;  // in place of c, where the depth is cut or c is f32
  Added<float, T> added;
  float alpha;
  bool whole;  // 16-byte accesses are aligned
};

template <class T, int side>
__device__ __forceinline__ void store_half_tile(const HalfSums<side>& sums, T* memory,
                                                const HalfGemmOut<T>& out, int64_t place,
                                                int64_t first_column, int64_t rows, int64_t columns,
                                                int64_t stride) {
  const HalfResult<T, side> tile{memory};
  T* c = out.c + place;
  const float beta = out.added.beta;
  if (beta != 0) {
    const T* old = out.added.old + place;
    tile.each_chunk([&](int row, int column) {
      bring_chunk(tile.at(row, column), old + row * stride + column,
                  row < rows ? columns - column : 0, out.whole);
    });
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();  // what was there has arrived for all
  }
  const T* bias = out.added.bias ? out.added.bias + first_column : nullptr;
  finish_tile(sums, tile, out.alpha, beta, 0, bias, int(columns < side ? columns : side));
  __syncthreads();  // the tile is complete
  tile.each_chunk([&](int row, int column) {
    if (row < rows)
      store_chunk(c + row * stride + column, *reinterpret_cast<const uint4*>(tile.at(row, column)),
                  columns - column, out.whole);
  });
}

// With 255 registers, two blocks of it run on a multiprocessor: 128 are a thread's sums of a large
// tile, 20 what it multiplies at once.
template <class T, int side, bool a_deep, bool b_deep>
__global__ void __launch_bounds__(kHalfThreads, side == kLargeTile ? 2 : 4)
    half_gemm_kernel(GemmWork work, HalfSide<T> a, HalfSide<T> b, HalfGemmOut<T> out) {
  T* memory = dyn_shared<T>();
  for (int64_t index = blockIdx.x; index < work.size(); index += gridDim.x) {
    const WorkShare share = work.share(index);
    const TilePosition tile = gemm_tile(work, share.tile);
    const int64_t row = tile.row * side, column = tile.column * side;
    HalfSums<side> sums;
    HalfTileProduct<T, side, a_deep, b_deep>::run(
        {a, share.batch * work.a_matrix, row, work.m, share.from},
        {b, share.batch * work.b_matrix, column, work.n, share.from}, int(share.depth), memory,
        sums);
    const int64_t at = (share.matrix * work.m + row) * work.n + column;
    if (out.slices)
      store_sums(sums, out.slices + at, work.m - row, work.n - column, work.n);
    else
      store_half_tile(sums, memory, out, at, column, work.m - row, work.n - column, work.n);
  }
}

template <class T, int side>
static void launch_half_gemm(const Gemm& op, Stream& stream) {
  const AlignedRows a = align_rows(op.a, stream), b = align_rows(op.b, stream);
  const GemmWork work = gemm_work(op, side, a.stride, b.stride, kHalfStage);
  HalfGemmOut<T> out{op.c.as<T>(), nullptr, added_of<float, T>(op), float(op.alpha), false};
  out.whole = is_aligned(out.c) && is_aligned(out.added.old) && work.n % kHalfChunk == 0;
  const bool is_wide = op.c.dtype == Dtype::kF32;
  if (is_wide && work.slices == 1 && (op.beta == 0 || op.addend))
    out.slices = op.c.as<float>();
  else if (is_wide || work.slices > 1)
    out.slices = stream.scratch<float>(work.slices * op.c.size());
  with_forms(op, [&]<bool a_deep, bool b_deep>() {
    launch(stream, half_gemm_kernel<T, side, a_deep, b_deep>,
           {blocks_for(work.size()), kHalfThreads, kHalfElements<side> * sizeof(T)}, work,
           HalfSide<T>{static_cast<const T*>(a.data), a.stride},
           HalfSide<T>{static_cast<const T*>(b.data), b.stride}, out);
  });
  const bool is_done = work.slices == 1 && op.alpha == 1 && op.beta == 0 && !op.bias;
  if (is_wide && !is_done)
    sum_slices(stream, out.slices, work.slices, op.c.size(), out.alpha, added_of<float, float>(op),
               work.n, op.c.as<float>());
  else if (!is_wide && work.slices > 1)
    sum_slices(stream, out.slices, work.slices, op.c.size(), out.alpha, out.added, work.n, out.c);
}

void half_gemm(const Gemm& op, Stream& stream) {
  const Matrices s = matrices(op.c);
  const int64_t tiles = s.batch * parts_of(s.rows, kLargeTile) * parts_of(s.columns, kLargeTile);
  visit_half(op.a.dtype, [&]<class T>() {
    if (are_large_enough(s.rows, s.columns, tiles))
      launch_half_gemm<T, kLargeTile>(op, stream);
    else
      launch_half_gemm<T, kSmallTile>(op, stream);
  });
}

}  // namespace orthokit::cuda
