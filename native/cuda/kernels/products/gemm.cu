#include "cuda/kernels/products/shared/gemm_tiles.cuh"
#include "cuda/kernels/products/shared/half_products.h"
#include "cuda/kernels/products/shared/products.h"
#include "ops/products/gemm.h"

namespace orthokit::cuda {

template <class T>
struct GemmOut {
  T* c;
  T alpha, beta;
  bool whole;  // 16-byte accesses are aligned
};

// c = alpha sums + beta c, or + c for what is not the first of several runs.
template <class T, int side>
__device__ __forceinline__ void store_slab(const Slab<T, side>& slab, const GemmOut<T>& out, T* c,
                                           int64_t rows, int64_t columns, int64_t stride,
                                           bool first) {
  constexpr int kV = kChunk<T>;
  const T beta = first ? out.beta : T(1);
  slab.template each<false>([&](int row, int column, T(&values)[kV]) {
    if (row >= rows) return;
    T* at = c + row * stride + column;
    if (out.whole) {
      if (column >= columns) return;
      T old[kV] = {};
      if (beta != 0) load_chunk(at, old);
#pragma unroll
      for (int v = 0; v < kV; ++v) values[v] = fused(beta, old[v], out.alpha * values[v]);
      write_chunk(at, values);
      return;
    }
#pragma unroll
    for (int v = 0; v < kV; ++v)
      if (column + v < columns)
        at[v] = fused(beta, beta == 0 ? T(0) : at[v], out.alpha * values[v]);
  });
}

template <class T, int side, bool a_deep, bool b_deep>
__global__ void __launch_bounds__(kTileThreads, 2)
    gemm_kernel(GemmWork work, Side<T> a, Side<T> b, GemmOut<T> out) {
  using Product = TileProduct<T, side, a_deep, b_deep>;
  for (int64_t index = blockIdx.x; index < work.size(); index += gridDim.x) {
    const WorkShare share = work.share(index);
    const TilePosition tile = gemm_tile(work, share.tile);
    const int64_t row = tile.row * side, column = tile.column * side;
    T* c = out.c + (share.matrix * work.m + row) * work.n + column;
    Product::run({a, share.batch * work.a_matrix, row, work.m, share.from},
                 {b, share.batch * work.b_matrix, column, work.n, share.from}, share.depth,
                 [&](const Slab<T, side>& slab, bool first, bool) {
                   store_slab(slab, out, c, work.m - row, work.n - column, work.n, first);
                 });
  }
}

template <class T, int side>
static void launch_gemm(const Gemm& op, Stream& stream) {
  const int64_t a_stride = matrices(op.a).columns, b_stride = matrices(op.b).columns;
  const GemmWork work = gemm_work(op, side, a_stride, b_stride, kStage);
  const Side<T> a(op.a.as<T>(), a_stride, work.a_matrix), b(op.b.as<T>(), b_stride, work.b_matrix);
  GemmOut<T> out{op.c.as<T>(), T(op.alpha), T(op.beta), false};
  if (work.slices > 1) out = {stream.scratch<T>(work.slices * op.c.size()), T(1), T(0), false};
  out.whole = is_aligned(out.c) && work.n % kChunk<T> == 0;
  with_forms(op, [&]<bool a_deep, bool b_deep>() {
    launch(stream, gemm_kernel<T, side, a_deep, b_deep>, {blocks_for(work.size()), kTileThreads},
           work, a, b, out);
  });
  if (work.slices > 1)
    sum_slices(stream, out.c, work.slices, op.c.size(), T(op.alpha), T(op.beta), op.c.as<T>());
}

static void gemm(const Gemm& op, Stream& stream) {
  if (op.c.size() == 0) return;
  if (op.inner() == 0 &&
      op.alpha != 0) {  // an alpha that f32 cannot hold is infinite: times 0, NaN
    Gemm rest = op;
    rest.alpha = 0;
    return gemm(rest, stream);
  }
  const Matrices s = matrices(op.c);
  if (holds_halves(op.c) && !multiplies_halves(stream, op.c.dtype)) {
    Gemm wide = op;
    wide.a = widened(op.a, stream), wide.b = widened(op.b, stream);
    wide.c = op.beta == 0 ? wide_like(op.c, stream) : widened(op.c, stream);
    gemm(wide, stream);
    return narrow(wide.c, op.c, stream);
  }
  // No BLAS promises that it takes a sum of nothing as 0.
  if (const Blas* blas = op.alpha == 0 ? nullptr : stream.blas()) return blas_gemm(*blas, op);
  if (holds_halves(op.c)) return half_gemm(op, stream);
  visit(op.c.dtype, [&]<class T>() {
    if constexpr (has_large_tiles<T>) {
      const int64_t tiles = parts_of(s.rows, kLargeTile) * parts_of(s.columns, kLargeTile);
      if (are_large_enough(s.rows, s.columns, s.batch * tiles))
        return launch_gemm<T, kLargeTile>(op, stream);
    }
    launch_gemm<T, kSmallTile>(op, stream);
  });
}
ORTHOKIT_KERNEL(Gemm, gemm);

}  // namespace orthokit::cuda
