// Symmetric products: sizes, what is written, and the whole matrix from its lower triangle.
#pragma once
#include "cuda/convert.cuh"
#include "cuda/kernels/products/shared/sliced_work.cuh"
#include "cuda/kernels/products/shared/triangle.cuh"
#include "ops/products/symmetric_product.h"

namespace orthokit::cuda {

// The sizes of a batch; each matrix is n × k, or k × n if `down`.
struct SymmetricSizes {
  int64_t batch, n, k, stride, a_matrix;
  bool down;
  explicit SymmetricSizes(const SymmetricProduct& op) : down(op.trans != Transpose::kNone) {
    const Matrices s = matrices(op.a);
    batch = s.batch, stride = s.columns, n = down ? s.columns : s.rows;
    k = op.alpha == 0 ? 0 : down ? s.rows : s.columns;
    a_matrix = s.rows * s.columns;
  }
};

inline const View& second_of(const SymmetricProduct& op) { return op.b ? op.b : op.a; }

// The type that products of T are summed in.
template <class T>
using SumOf = std::conditional_t<is_half<T>, float, T>;

struct SymmetricWork : SlicedWork {
  int64_t n, a_matrix;
};

// In tiles of this side; the matrices of an operand begin so many elements behind each other.
inline SymmetricWork symmetric_work(const SymmetricSizes& s, int side, int64_t a_matrix,
                                    int64_t stage) {
  return {{triangle_of(parts_of(s.n, side)), s.batch, s.k, stage}, s.n, a_matrix};
}

// c = alpha product + beta old + diagonal I.
template <class T>
struct SymmetricOut {
  T* c;
  const T* old;
  SumOf<T> alpha, beta, diagonal;
};

template <class T>
SymmetricOut<T> symmetric_out(const SymmetricProduct& op) {
  using Sum = SumOf<T>;
  T* c = op.c.as<T>();
  return {c, op.addend ? op.addend.as<T>() : c, Sum(op.alpha), Sum(op.beta), Sum(op.diagonal)};
}

inline constexpr int kMirrorTile = 32;

// c from the sum of slices, in order, for the lower triangle; and its mirror. Above the diagonal
// neither slices nor old are read.
template <class Slice, class T>
__global__ void __launch_bounds__(kTileThreads)
    mirror_kernel(const Slice* slices, int count, int64_t batch, int64_t n, SymmetricOut<T> out) {
  // Rows of an odd number of words, so that a column lies in all banks.
  constexpr int kMore = sizeof(T) < 4 ? 4 / sizeof(T) : 1;
  __shared__ T tile[kMirrorTile][kMirrorTile + kMore];
  const int x = int(threadIdx.x) % kMirrorTile, y = int(threadIdx.x) / kMirrorTile;
  constexpr int kStep = kTileThreads / kMirrorTile;
  const int64_t sides = (n + kMirrorTile - 1) / kMirrorTile, tiles = sides * (sides + 1) / 2;
  for (int64_t index = blockIdx.x; index < tiles * batch; index += gridDim.x) {
    const TriangleTile place(index % tiles);
    const int64_t matrix = index / tiles * n * n, row = place.row * kMirrorTile,
                  column = place.column * kMirrorTile;
    __syncthreads();  // the tile before may still be read
#pragma unroll
    for (int r = y; r < kMirrorTile; r += kStep) {
      const int64_t i = row + r, j = column + x;
      if (i >= n || j > i) continue;
      const int64_t at = matrix + i * n + j;
      using Sum = SumOf<T>;
      Sum sum = 0;
      for (int s = 0; s < count; ++s) sum += convert<Sum>(slices[s * batch * n * n + at]);
      Sum value = out.alpha * sum;
      if (out.beta != 0) value = fused(out.beta, convert<Sum>(out.old[at]), value);
      if (i == j) value += out.diagonal;
      out.c[at] = tile[r][x] = convert<T>(value);
    }
    __syncthreads();  // its columns become rows
#pragma unroll
    for (int r = y; r < kMirrorTile; r += kStep) {
      const int64_t i = column + r, j = row + x;
      if (j < n && i < j) out.c[matrix + i * n + j] = tile[x][r];
    }
  }
}

template <class Slice, class T>
void mirror(const SymmetricSizes& s, Stream& stream, const Slice* slices, int64_t count,
            const SymmetricOut<T>& out) {
  const int64_t tiles = triangle_of(parts_of(s.n, kMirrorTile)) * s.batch;
  launch(stream, mirror_kernel<Slice, T>, {blocks_for(tiles), kTileThreads}, slices, int(count),
         s.batch, s.n, out);
}

}  // namespace orthokit::cuda
