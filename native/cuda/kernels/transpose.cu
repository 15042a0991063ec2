#include "cuda/matrix.cuh"
#include "ops/transpose.h"

namespace orthokit::cuda {

inline constexpr int kTransposeThreads = 256;  // of a block
inline constexpr int kTile = 64;               // rows and columns
inline constexpr int kAcross = kTile / kVector, kDown = kTransposeThreads / kAcross;

// What lies in a batch of matrices; `wide` and `high` are a matrix' tiles from side to side.
struct TransposeTiles {
  int64_t rows, columns, wide, high, count;
};

// Whole vectors on both sides; in between, a tile that is read along rows and written along columns.
template <class T>
__global__ void __launch_bounds__(kTransposeThreads)
    transpose_kernel(TransposeTiles tiles, const T* x, T* out) {
  // Rows of an odd number of words, so that a column lies in all banks.
  constexpr int kMore = sizeof(T) < 4 ? 4 / sizeof(T) : 1;
  __shared__ T tile[kTile][kTile + kMore];
  const int own = int(threadIdx.x) % kAcross * kVector, lane = int(threadIdx.x) / kAcross;
  for (int64_t index = blockIdx.x; index < tiles.count; index += gridDim.x) {
    const int64_t band = index / tiles.wide, left = (index - band * tiles.wide) * kTile;
    const int64_t matrix = band / tiles.high, top = (band - matrix * tiles.high) * kTile;
    const int64_t begin = matrix * tiles.rows * tiles.columns;
    const int height = int(tiles.rows - top < kTile ? tiles.rows - top : kTile);
    const int width = int(tiles.columns - left < kTile ? tiles.columns - left : kTile);
    const auto inside = [=](int edge) { return edge - own < kVector ? edge - own : kVector; };
    T values[kVector];
    if (own < width)
      for (int i = lane; i < height; i += kDown) {
        load_raw(x + begin + (top + i) * tiles.columns + left + own, inside(width), values);
#pragma unroll
        for (int k = 0; k < kVector; ++k) tile[i][own + k] = values[k];
      }
    __syncthreads();  // the tile is there
    if (own < height)
      for (int j = lane; j < width; j += kDown) {
#pragma unroll
        for (int k = 0; k < kVector; ++k) values[k] = own + k < height ? tile[own + k][j] : T{};
        store_raw(out + begin + (left + j) * tiles.rows + top + own, inside(height), values);
      }
    __syncthreads();  // nobody reads it any more
  }
}

// A row as a column: the same bytes.
template <class T>
struct CopyOfVector {
  const T* x;
  T* out;
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    store_group(out, at, load_group<N>(x, at));
  }
};

static void transpose(const Transposition& op, Stream& stream) {
  const int64_t rows = op.x.shape[op.x.rank - 2], columns = op.x.shape[op.x.rank - 1];
  const int64_t batch = op.x.rank == 3 ? op.x.shape[0] : 1;
  if (rows == 1 || columns == 1) {
    visit_storage(op.x.dtype, [&]<class T>() {
      for_matrix(stream, 1, op.x.size(), CopyOfVector<T>{op.x.as<T>(), op.out.as<T>()});
    });
    return;
  }
  const int64_t wide = (columns + kTile - 1) / kTile, high = (rows + kTile - 1) / kTile;
  const int64_t count = batch * wide * high;
  if (count == 0) return;
  constexpr int64_t kMostBlocks = 0x7fffffff;
  const auto blocks = unsigned(count < kMostBlocks ? count : kMostBlocks);
  visit_storage(op.x.dtype, [&]<class T>() {
    launch(stream, transpose_kernel<T>, {blocks, kTransposeThreads},
           TransposeTiles{rows, columns, wide, high, count}, op.x.as<T>(), op.out.as<T>());
  });
}
ORTHOKIT_KERNEL(Transposition, transpose);

}  // namespace orthokit::cuda
