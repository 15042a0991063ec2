#include "cuda/kernels/products/shared/half_products.h"
#include "cuda/kernels/products/shared/half_tile.cuh"
#include "cuda/kernels/products/shared/mirror.cuh"

namespace orthokit::cuda {

template <class T>
struct HalfSymmetricOut {
  SymmetricOut<T> out;
  float* slices;  // in place of c, where the depth is cut
  bool whole;     // 16-byte accesses are aligned
};

// The place of a tile in its matrix.
struct HalfSymmetricPlace {
  int row, column, n;
  __device__ bool on_diagonal() const { return row == column; }
};

// The tile, and a second time as columns above the diagonal. What is above it is not read.
template <class T, int side>
__device__ __forceinline__ void store_half_symmetric(const HalfSums<side>& sums, T* memory,
                                                     const HalfSymmetricOut<T>& store,
                                                     int64_t matrix, const HalfSymmetricPlace& at) {
  const HalfResult<T, side> tile{memory};
  const SymmetricOut<T>& out = store.out;
  const int64_t n = at.n;
  const int rows = at.n - at.row, columns = at.n - at.column;
  T* c = out.c + matrix;
  if (out.beta != 0) {
    const T* old = out.old + matrix + at.row * n + at.column;
    tile.each_chunk([&](int row, int column) {
      const int below = at.on_diagonal() ? row + 1 - column : kHalfChunk;
      bring_chunk(tile.at(row, column), old + row * n + column, row < rows ? below : 0,
                  store.whole);
    });
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();  // what was there has arrived for all
  }
  finish_tile(sums, tile, out.alpha, out.beta, at.on_diagonal() ? out.diagonal : 0.0f);
  __syncthreads();  // the tile is complete
  tile.each_chunk([&](int row, int column) {
    if (row >= rows || (at.on_diagonal() && column + kHalfChunk > row + 1)) return;
    store_chunk(c + (at.row + row) * n + at.column + column,
                *reinterpret_cast<const uint4*>(tile.at(row, column)), columns - column,
                store.whole);
  });
  // Of a tile on the diagonal the other chunks, also down its columns: eight threads that read
  // across its rows would meet in one bank.
  tile.each_column([&](int row, int column) {
    if (column >= columns || (at.on_diagonal() && row + kHalfChunk <= column + 1)) return;
    store_chunk(
        c + (at.column + column) * n + at.row + row,
        at.on_diagonal() ? tile.mirrored_chunk(row, column) : tile.column_chunk(row, column),
        rows - row, store.whole);
  });
}

template <class T, int side, bool deep>
__global__ void __launch_bounds__(kHalfThreads, side == kLargeTile ? 2 : 3)
    half_symmetric_kernel(SymmetricWork work, HalfSide<T> a, HalfSide<T> b,
                          HalfSymmetricOut<T> store) {
  T* memory = dyn_shared<T>();
  for (int64_t index = blockIdx.x; index < work.size(); index += gridDim.x) {
    const WorkShare share = work.share(index);
    const TriangleTile tile(share.tile);
    const int64_t offset = share.batch * work.a_matrix;
    const HalfSymmetricPlace at{int(tile.row) * side, int(tile.column) * side, int(work.n)};
    HalfSums<side> sums;
    HalfTileProduct<T, side, deep, deep>::run({a, offset, at.row, work.n, share.from},
                                              {b, offset, at.column, work.n, share.from},
                                              int(share.depth), memory, sums);
    const int64_t first = share.matrix * work.n * work.n;
    if (store.slices)
      store_sums(sums, store.slices + first + at.row * work.n + at.column, work.n - at.row,
                 work.n - at.column, work.n);
    else
      store_half_symmetric(sums, memory, store, first, at);
  }
}

template <class T, int side>
static void launch_half_symmetric(const SymmetricProduct& op, const SymmetricSizes& s,
                                  Stream& stream) {
  const AlignedRows a = align_rows(op.a, stream), b = op.b ? align_rows(op.b, stream) : a;
  const SymmetricWork work = symmetric_work(s, side, matrices(op.a).rows * a.stride, kHalfStage);
  HalfSymmetricOut<T> store{symmetric_out<T>(op), nullptr, false};
  store.whole = is_aligned(store.out.c) && is_aligned(store.out.old) && s.n % kHalfChunk == 0;
  if (work.slices > 1) store.slices = stream.scratch<float>(work.slices * op.c.size());
  const auto kernel =
      s.down ? half_symmetric_kernel<T, side, false> : half_symmetric_kernel<T, side, true>;
  launch(stream, kernel, {blocks_for(work.size()), kHalfThreads, kHalfElements<side> * sizeof(T)},
         work, HalfSide<T>{static_cast<const T*>(a.data), a.stride},
         HalfSide<T>{static_cast<const T*>(b.data), b.stride}, store);
  if (work.slices > 1)
    mirror(s, stream, static_cast<const float*>(store.slices), work.slices, store.out);
}

void half_symmetric_product(const SymmetricProduct& op, Stream& stream) {
  const SymmetricSizes s(op);
  const int64_t tiles = s.batch * triangle_of(parts_of(s.n, kLargeTile));
  visit_half(op.c.dtype, [&]<class T>() {
    if (are_large_enough(s.n, s.n, tiles))
      launch_half_symmetric<T, kLargeTile>(op, s, stream);
    else
      launch_half_symmetric<T, kSmallTile>(op, s, stream);
  });
}

}  // namespace orthokit::cuda
