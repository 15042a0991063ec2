#include "cuda/kernels/products/shared/half_products.h"
#include "cuda/kernels/products/shared/mirror.cuh"
#include "cuda/kernels/products/shared/products.h"

namespace orthokit::cuda {

// ---- by tiles of our own

template <class T>
struct SymmetricStore {
  SymmetricOut<T> out;
  bool whole;   // 16-byte accesses are aligned
  bool finish;  // what is stored last is c; else it is a slice, to be summed
};

// Slab by slab, and each a second time as columns above the diagonal.
template <class T, int side>
__device__ __forceinline__ void store_symmetric(const Slab<T, side>& slab,
                                                const SymmetricStore<T>& store, int64_t matrix,
                                                int64_t first_row, int64_t first_column, int64_t n,
                                                bool first, bool last) {
  constexpr int kV = kChunk<T>;
  const SymmetricOut<T>& out = store.out;
  const T* old = (first ? out.old : out.c) + matrix;
  T* c = out.c + matrix;
  const T beta = first ? out.beta : T(1);
  const bool finish = last && store.finish;
  slab.template each<false>([&](int row, int column, T(&values)[kV]) {
    const int64_t i = first_row + row, j = first_column + column, at = i * n + j;
    if (i >= n || j > i) return;
    if (store.whole && j + kV <= i) {
      T before[kV] = {};
      if (beta != 0) load_chunk(old + at, before);
#pragma unroll
      for (int v = 0; v < kV; ++v) values[v] = fused(beta, before[v], out.alpha * values[v]);
      write_chunk(c + at, values);
    } else {
#pragma unroll
      for (int v = 0; v < kV; ++v) {
        if (j + v > i) continue;
        values[v] = fused(beta, beta == 0 ? T(0) : old[at + v], out.alpha * values[v]);
        if (finish && j + v == i) values[v] += out.diagonal;
        c[at + v] = values[v];
      }
    }
    if (finish) slab.put(row, column, values);
  });
  if (!finish) return;
  __syncthreads();  // rows of the slab are read as columns
  slab.template each<true>([&](int row, int column, const T(&values)[kV]) {
    const int64_t i = first_row + row, j = first_column + column;
#pragma unroll
    for (int v = 0; v < kV; ++v)
      if (i < n && j + v < i) c[(j + v) * n + i] = values[v];
  });
}

template <class T, int side, bool deep>
__global__ void __launch_bounds__(kTileThreads, 2)
    symmetric_kernel(SymmetricWork work, Side<T> a, Side<T> b, SymmetricStore<T> store) {
  for (int64_t index = blockIdx.x; index < work.size(); index += gridDim.x) {
    const WorkShare share = work.share(index);
    const TriangleTile tile(share.tile);
    const int64_t offset = share.batch * work.a_matrix, row = tile.row * side,
                  column = tile.column * side;
    TileProduct<T, side, deep, deep>::run(
        {a, offset, row, work.n, share.from}, {b, offset, column, work.n, share.from}, share.depth,
        [&](const Slab<T, side>& slab, bool first, bool last) {
          store_symmetric(slab, store, share.matrix * work.n * work.n, row, column, work.n, first,
                          last);
        });
  }
}

template <class T, int side>
static void launch_symmetric(const SymmetricProduct& op, const SymmetricSizes& s, Stream& stream) {
  const SymmetricWork work = symmetric_work(s, side, s.a_matrix, kStage);
  const auto out = symmetric_out<T>(op);
  SymmetricStore<T> store{out, false, work.slices == 1};
  if (!store.finish) {
    T* partial = stream.scratch<T>(work.slices * op.c.size());
    store.out = {partial, partial, T(1), T(0), T(0)};
  }
  store.whole = is_aligned(store.out.c) && is_aligned(store.out.old) && s.n % kChunk<T> == 0;
  const auto kernel = s.down ? symmetric_kernel<T, side, false> : symmetric_kernel<T, side, true>;
  launch(stream, kernel, {blocks_for(work.size()), kTileThreads}, work,
         Side<T>(op.a.as<T>(), s.stride, s.a_matrix),
         Side<T>(second_of(op).as<T>(), s.stride, s.a_matrix), store);
  if (!store.finish) mirror(s, stream, store.out.c, work.slices, out);
}

// ---- by cuBLAS: panels of rows, each as wide as the triangle is there

// The panels of a product go into c itself, but for 16-bit numbers to which something is added yet,
// which are rounded at the end.
template <class T>
static void symmetric_by_blas(const SymmetricProduct& op, const SymmetricSizes& s, Stream& stream) {
  constexpr int64_t kMostPanels = 8, kLeastRows = 256;
  const int64_t height = std::max(kLeastRows, parts_of(parts_of(s.n, kMostPanels), 64) * 64);
  auto out = symmetric_out<T>(op);
  const bool apart = is_half<T> && (op.beta != 0 || op.diagonal != 0),
             adds = op.beta != 0 && !op.addend && !apart;
  const auto multiply_into = [&](auto* c, Dtype dtype) {
    const T *a = op.a.as<T>(), *b = second_of(op).as<T>();
    for (int64_t row = 0; row < s.n; row += height) {
      const int64_t end = std::min(s.n, row + height);
      multiply(stream, {.dtype = op.c.dtype,
                        .result = dtype,
                        .batch = s.batch,
                        .m = end - row,
                        .n = end,
                        .k = s.k,
                        .alpha = op.alpha,
                        .beta = adds ? op.beta : 0,
                        .a = {a + (s.down ? row : row * s.stride), s.stride, s.a_matrix, s.down},
                        .b = {b, s.stride, s.a_matrix, !s.down},
                        .c = c + row * s.n,
                        .c_stride = s.n,
                        .c_step = s.n * s.n});
    }
    out.alpha = 1;
    if (adds) out.beta = 0;
    mirror(s, stream, static_cast<const std::remove_pointer_t<decltype(c)>*>(c), 1, out);
  };
  if constexpr (is_half<T>)
    if (apart) return multiply_into(stream.scratch<float>(op.c.size()), Dtype::kF32);
  multiply_into(out.c, op.c.dtype);
}

static void symmetric_product(const SymmetricProduct& op, Stream& stream) {
  if (op.c.size() == 0) return;
  const SymmetricSizes s(op);
  if (holds_halves(op.c) && !multiplies_halves(stream, op.c.dtype)) {
    SymmetricProduct wide = op;
    wide.a = widened(op.a, stream);
    if (op.b) wide.b = widened(op.b, stream);
    if (op.addend) wide.addend = widened(op.addend, stream);
    wide.c = op.beta == 0 || op.addend ? wide_like(op.c, stream) : widened(op.c, stream);
    symmetric_product(wide, stream);
    return narrow(wide.c, op.c, stream);
  }
  const bool by_blas = s.k != 0 && stream.blas();
  if (holds_halves(op.c)) {
    if (!by_blas || prefers_tiles(stream, op.c.dtype, s.n, s.k))
      return half_symmetric_product(op, stream);
    return visit_half(op.c.dtype, [&]<class T>() { symmetric_by_blas<T>(op, s, stream); });
  }
  visit(op.c.dtype, [&]<class T>() {
    if (by_blas) return symmetric_by_blas<T>(op, s, stream);
    if constexpr (has_large_tiles<T>)
      if (are_large_enough(s.n, s.n, s.batch * triangle_of(parts_of(s.n, kLargeTile))))
        return launch_symmetric<T, kLargeTile>(op, s, stream);
    launch_symmetric<T, kSmallTile>(op, s, stream);
  });
}
ORTHOKIT_KERNEL(SymmetricProduct, symmetric_product);

}  // namespace orthokit::cuda
