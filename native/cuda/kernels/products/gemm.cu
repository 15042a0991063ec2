#include "cuda/kernels/products/shared/gemm_tiles.cuh"
#include "cuda/kernels/products/shared/half_products.h"
#include "cuda/kernels/products/shared/products.h"
#include "ops/products/gemm.h"

namespace orthokit::cuda {

template <class T>
struct GemmOut {
  T* c;
  Added<T, T> added;
  T alpha;
  bool whole;  // 16-byte accesses are aligned
};

// c = alpha sums + what is added, or + c for what is not the first of several runs.
template <class T, int side>
__device__ __forceinline__ void store_slab(const Slab<T, side>& slab, const GemmOut<T>& out,
                                           int64_t place, int64_t first_column, int64_t rows,
                                           int64_t columns, int64_t stride, bool first) {
  constexpr int kV = kChunk<T>;
  T* c = out.c + place;
  const T *old = first ? out.added.old + place : c,
          *bias = first && out.added.bias ? out.added.bias + first_column : nullptr;
  const T beta = first ? out.added.beta : T(1);
  slab.template each<false>([&](int row, int column, T(&values)[kV]) {
    if (row >= rows) return;
    const int64_t at = row * stride + column;
    if (out.whole) {
      if (column >= columns) return;
      T before[kV] = {};
      if (beta != 0) load_chunk(old + at, before);
#pragma unroll
      for (int v = 0; v < kV; ++v) values[v] = fused(beta, before[v], out.alpha * values[v]);
      if (bias) {
        load_chunk(bias + column, before);
#pragma unroll
        for (int v = 0; v < kV; ++v) values[v] += before[v];
      }
      write_chunk(c + at, values);
      return;
    }
#pragma unroll
    for (int v = 0; v < kV; ++v)
      if (column + v < columns) {
        values[v] = fused(beta, beta == 0 ? T(0) : old[at + v], out.alpha * values[v]);
        c[at + v] = bias ? values[v] + bias[column + v] : values[v];
      }
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
    const int64_t place = (share.matrix * work.m + row) * work.n + column;
    Product::run({a, share.batch * work.a_matrix, row, work.m, share.from},
                 {b, share.batch * work.b_matrix, column, work.n, share.from}, share.depth,
                 [&](const Slab<T, side>& slab, bool first, bool) {
                   store_slab(slab, out, place, column, work.m - row, work.n - column, work.n,
                              first);
                 });
  }
}

template <class T, int side>
static void launch_gemm(const Gemm& op, Stream& stream) {
  const int64_t a_stride = matrices(op.a).columns, b_stride = matrices(op.b).columns;
  const GemmWork work = gemm_work(op, side, a_stride, b_stride, kStage);
  const Side<T> a(op.a.as<T>(), a_stride, work.a_matrix), b(op.b.as<T>(), b_stride, work.b_matrix);
  const auto added = added_of<T, T>(op);
  GemmOut<T> out{op.c.as<T>(), added, T(op.alpha), false};
  if (work.slices > 1) {
    T* slices = stream.scratch<T>(work.slices * op.c.size());
    out = {slices, {slices, nullptr, T(0)}, T(1), false};
  }
  out.whole = is_aligned(out.c) && is_aligned(out.added.old) && is_aligned(out.added.bias) &&
              work.n % kChunk<T> == 0;
  with_forms(op, [&]<bool a_deep, bool b_deep>() {
    launch(stream, gemm_kernel<T, side, a_deep, b_deep>, {blocks_for(work.size()), kTileThreads},
           work, a, b, out);
  });
  if (work.slices > 1)
    sum_slices(stream, out.c, work.slices, op.c.size(), T(op.alpha), added, work.n, op.c.as<T>());
}

// cuBLAS adds to c alone; a bias and an addend come after it, where 16-bit sums are rounded.
static void by_blas(const Gemm& op, Stream& stream) {
  BlasProduct product = product_of(op);
  if (!op.addend && !op.bias) return multiply(stream, product);
  const auto multiply_and_add = [&]<class Sum, class T>(Sum* sums, Added<Sum, T> added) {
    product.c = sums;
    multiply(stream, product);
    sum_slices<Sum, T>(stream, sums, 1, op.c.size(), Sum(1), added, product.n, op.c.as<T>());
  };
  if (holds_halves(op.c)) {
    product.result = Dtype::kF32, product.beta = 0;
    return visit_half(op.c.dtype, [&]<class T>() {
      multiply_and_add(stream.scratch<float>(op.c.size()), added_of<float, T>(op));
    });
  }
  visit(op.c.dtype, [&]<class T>() {
    auto added = added_of<T, T>(op);
    if (op.addend)
      product.beta = 0;
    else
      added.beta = 0;
    multiply_and_add(op.c.as<T>(), added);
  });
}

static void gemm(const Gemm& op, Stream& stream);

// With factors rounded to 16 bits.
static void gemm_of_rounded(const Gemm& op, Stream& stream) {
  const Dtype dtype = op.products == Products::kBf16 ? Dtype::kBf16 : Dtype::kF16;
  Gemm rest = op;
  rest.products = Products::kOwn;
  if (op.alpha == 0) return gemm(rest, stream);
  rest.a = narrowed(op.a, dtype, stream), rest.b = narrowed(op.b, dtype, stream);
  if (!multiplies_halves(stream, dtype)) {
    rest.a = widened(rest.a, stream), rest.b = widened(rest.b, stream);
    return gemm(rest, stream);
  }
  if (stream.blas()) return by_blas(rest, stream);
  half_gemm(rest, stream);
}

static void gemm(const Gemm& op, Stream& stream) {
  if (op.c.size() == 0) return;
  if (op.inner() == 0 &&
      op.alpha != 0) {  // an alpha that f32 cannot hold is infinite: times 0, NaN
    Gemm rest = op;
    rest.alpha = 0;
    return gemm(rest, stream);
  }
  if (op.products != Products::kOwn) return gemm_of_rounded(op, stream);
  const Matrices s = matrices(op.c);
  if (holds_halves(op.c) && !multiplies_halves(stream, op.c.dtype)) {
    Gemm wide = op;
    wide.a = widened(op.a, stream), wide.b = widened(op.b, stream);
    if (op.addend) wide.addend = widened(op.addend, stream);
    if (op.bias) wide.bias = widened(op.bias, stream);
    wide.c = op.beta == 0 || op.addend ? wide_like(op.c, stream) : widened(op.c, stream);
    gemm(wide, stream);
    return narrow(wide.c, op.c, stream);
  }
  // No BLAS promises that it takes a sum of nothing as 0.
  if (op.alpha != 0 && stream.blas()) return by_blas(op, stream);
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
