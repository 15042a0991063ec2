#include "cuda/matrix.cuh"
#include "ops/elementwise/transpose.h"

namespace orthokit::cuda {

inline constexpr int kTransposeThreads = 256;  // of a block
inline constexpr int kTile = 64;               // rows and columns
inline constexpr int kAcross = kTile / kVector, kDown = kTransposeThreads / kAcross;

// A tile in shared memory. Vectors of a row change places by every fourth row: neither vectors of a
// row nor the elements of a column, as a warp takes them, meet in a bank.
template <class T>
struct TransposeTile {
  static constexpr int kBytes = sizeof(T) * kVector, kApart = 128 / kBytes;  // in all banks
  static constexpr int kBeside = kApart < kAcross ? kApart : kAcross;
  alignas(16) T elements[kTile * kTile];

  __device__ __forceinline__ T* at(int row, int column) {
    const int vector = column / kVector ^ row / kVector % kBeside;
    return elements + row * kTile + vector * kVector + column % kVector;
  }
  __device__ __forceinline__ void put(int row, int vector, const T (&values)[kVector]) {
    constexpr int kStep = kBytes < 16 ? kBytes : 16;
    using Access = AccessOf<T, kStep>;
    auto* to = reinterpret_cast<Access*>(at(row, vector * kVector));
    Access words[kBytes / kStep];
    memcpy(words, values, kBytes);
    if constexpr (kBytes == kStep) {
      to[0] = words[0];
    } else {
      // Of eight threads, four begin with the second half: the first halves lie in half of the
      // banks.
      const int first = vector / 4 % 2;
      to[first] = first ? words[1] : words[0];
      to[1 - first] = first ? words[0] : words[1];
    }
  }
};

// Which vector of a tile's columns a thread writes, and from which of its rows: so many vectors of
// one row by neighbouring threads as lie in all banks.
template <class T>
struct TransposePlace {
  int vector, row;
  __device__ TransposePlace() {
    constexpr int kBeside = TransposeTile<T>::kBeside, kGroups = kAcross / kBeside;
    const int warp = int(threadIdx.x) / kWarp, lane = int(threadIdx.x) % kWarp;
    vector = lane % kBeside + warp % kGroups * kBeside;
    row = lane / kBeside + warp / kGroups * (kWarp / kBeside);
  }
};

// The tiles of a batch of matrices; `wide` and `high` are a matrix' tiles from side to side.
struct TransposeTiles {
  int64_t rows, columns, wide, high, count;
};

// Whole vectors on both sides; in between, a tile that is read along rows and written along
// columns.
template <class T>
__global__ void __launch_bounds__(kTransposeThreads)
    transpose_kernel(TransposeTiles tiles, const T* x, T* out) {
  __shared__ TransposeTile<T> tile;
  const int own = int(threadIdx.x) % kAcross * kVector, lane = int(threadIdx.x) / kAcross;
  const TransposePlace<T> place;
  const int below = place.vector * kVector;
  for (int64_t index = blockIdx.x; index < tiles.count; index += gridDim.x) {
    const int64_t band = index / tiles.wide, left = (index - band * tiles.wide) * kTile;
    const int64_t matrix = band / tiles.high, top = (band - matrix * tiles.high) * kTile;
    const int64_t begin = matrix * tiles.rows * tiles.columns;
    const int height = int(tiles.rows - top < kTile ? tiles.rows - top : kTile);
    const int width = int(tiles.columns - left < kTile ? tiles.columns - left : kTile);
    const auto inside = [](int edge, int from) {
      return edge - from < kVector ? edge - from : kVector;
    };
    T values[kVector];
    if (own < width)
      for (int i = lane; i < height; i += kDown) {
        load_raw(x + begin + (top + i) * tiles.columns + left + own, inside(width, own), values);
        tile.put(i, own / kVector, values);
      }
    __syncthreads();  // the tile is there
    if (below < height)
      for (int j = place.row; j < width; j += kDown) {
#pragma unroll
        for (int k = 0; k < kVector; ++k)
          values[k] = below + k < height ? *tile.at(below + k, j) : T{};
        store_raw(out + begin + (left + j) * tiles.rows + top + below, inside(height, below),
                  values);
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
    visit_moved(op.x.dtype, [&]<class T>() {
      for_matrix(stream, 1, op.x.size(), CopyOfVector<T>{op.x.as<T>(), op.out.as<T>()});
    });
    return;
  }
  const int64_t wide = (columns + kTile - 1) / kTile, high = (rows + kTile - 1) / kTile;
  const int64_t count = batch * wide * high;
  if (count == 0) return;
  visit_moved(op.x.dtype, [&]<class T>() {
    launch(stream, transpose_kernel<T>, {blocks_for(count), kTransposeThreads},
           TransposeTiles{rows, columns, wide, high, count}, op.x.as<T>(), op.out.as<T>());
  });
}
ORTHOKIT_KERNEL(Transposition, transpose);

}  // namespace orthokit::cuda
