#include "cuda/products.h"
#include "cuda/tile.cuh"
#include "cuda/triangle.cuh"
#include "ops/symmetric_product.h"

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

// c = alpha product + beta old + diagonal I.
template <class T>
struct SymmetricOut {
  T* c;
  const T* old;
  T alpha, beta, diagonal;
};

template <class T>
static SymmetricOut<T> symmetric_out(const SymmetricProduct& op) {
  T* c = op.c.as<T>();
  return {c, op.addend ? op.addend.as<T>() : c, T(op.alpha), T(op.beta), T(op.diagonal)};
}

// ---- what is on and below the diagonal becomes the whole matrix

inline constexpr int kMirrorTile = 32;

// c from the sum of slices, in order, for the lower triangle; and its mirror. Above the diagonal
// neither slices nor old are read.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    mirror_kernel(const T* slices, int count, int64_t batch, int64_t n, SymmetricOut<T> out) {
  __shared__ T tile[kMirrorTile][kMirrorTile + 1];
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
      T sum = 0;
      for (int s = 0; s < count; ++s) sum += slices[s * batch * n * n + at];
      T value = out.alpha * sum;
      if (out.beta != 0) value = fused(out.beta, out.old[at], value);
      if (i == j) value += out.diagonal;
      out.c[at] = tile[r][x] = value;
    }
    __syncthreads();  // its columns become rows
#pragma unroll
    for (int r = y; r < kMirrorTile; r += kStep) {
      const int64_t i = column + r, j = row + x;
      if (j < n && i < j) out.c[matrix + i * n + j] = tile[x][r];
    }
  }
}

template <class T>
static void mirror(const SymmetricSizes& s, Stream& stream, const T* slices, int64_t count,
                   const SymmetricOut<T>& out) {
  const int64_t tiles = triangle_of(parts_of(s.n, kMirrorTile)) * s.batch;
  launch(stream, mirror_kernel<T>, {blocks_for(tiles), kTileThreads}, slices, int(count), s.batch,
         s.n, out);
}

// ---- by tiles of our own

struct SymmetricWork {
  int64_t n, k, slice_depth, tiles, batch, slices, a_matrix;
  __host__ __device__ int64_t size() const { return tiles * batch * slices; }
};

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
      store_chunk(c + at, values);
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
    symmetric_kernel(SymmetricWork work, Side<T> a, SymmetricStore<T> store) {
  for (int64_t index = blockIdx.x; index < work.size(); index += gridDim.x) {
    const TriangleTile tile(index % work.tiles);
    const int64_t matrix = index / work.tiles, offset = matrix % work.batch * work.a_matrix,
                  from = matrix / work.batch * work.slice_depth, rest = work.k - from;
    const int64_t row = tile.row * side, column = tile.column * side;
    TileProduct<T, side, deep, deep>::run(
        {a, offset, row, work.n, from}, {a, offset, column, work.n, from},
        rest < work.slice_depth ? rest : work.slice_depth,
        [&](const Slab<T, side>& slab, bool first, bool last) {
          store_symmetric(slab, store, matrix * work.n * work.n, row, column, work.n, first, last);
        });
  }
}

template <class T, int side>
static void launch_symmetric(const SymmetricProduct& op, const SymmetricSizes& s, Stream& stream) {
  const int64_t tiles = triangle_of(parts_of(s.n, side));
  const Slices slices(tiles * s.batch, s.k);
  const SymmetricWork work{s.n, s.k, slices.depth, tiles, s.batch, slices.count, s.a_matrix};
  const auto out = symmetric_out<T>(op);
  SymmetricStore<T> store{out, false, slices.count == 1};
  if (!store.finish) {
    T* partial = stream.scratch<T>(slices.count * op.c.size());
    store.out = {partial, partial, T(1), T(0), T(0)};
  }
  store.whole = is_aligned(store.out.c) && is_aligned(store.out.old) && s.n % kChunk<T> == 0;
  const auto kernel = s.down ? symmetric_kernel<T, side, false> : symmetric_kernel<T, side, true>;
  launch(stream, kernel, {blocks_for(work.size()), kTileThreads}, work,
         Side<T>(op.a.as<T>(), s.stride, s.a_matrix), store);
  if (!store.finish) mirror(s, stream, store.out.c, slices.count, out);
}

// ---- by cuBLAS: panels of rows, each as wide as the triangle is there

template <class T>
static void symmetric_by_blas(const Blas& blas, const SymmetricProduct& op, const SymmetricSizes& s,
                              Stream& stream) {
  constexpr int64_t kMostPanels = 8, kLeastRows = 256;
  const int64_t height = std::max(kLeastRows, parts_of(parts_of(s.n, kMostPanels), 64) * 64);
  auto out = symmetric_out<T>(op);
  const T* a = op.a.as<T>();
  for (int64_t row = 0; row < s.n; row += height) {
    const int64_t end = std::min(s.n, row + height);
    multiply(blas, {.dtype = op.c.dtype,
                    .batch = s.batch,
                    .m = end - row,
                    .n = end,
                    .k = s.k,
                    .alpha = op.alpha,
                    .beta = op.addend ? 0 : op.beta,
                    .a = {a + (s.down ? row : row * s.stride), s.stride, s.a_matrix, s.down},
                    .b = {a, s.stride, s.a_matrix, !s.down},
                    .c = out.c + row * s.n,
                    .c_stride = s.n,
                    .c_step = s.n * s.n});
  }
  out.alpha = 1;
  if (!op.addend) out.beta = 0;
  mirror(s, stream, static_cast<const T*>(out.c), 1, out);
}

static void symmetric_product(const SymmetricProduct& op, Stream& stream) {
  if (op.c.size() == 0) return;
  const SymmetricSizes s(op);
  const Blas* blas = s.k == 0 ? nullptr : stream.blas();
  visit(op.c.dtype, [&]<class T>() {
    if (blas) return symmetric_by_blas<T>(*blas, op, s, stream);
    if constexpr (has_large_tiles<T>)
      if (are_large_enough(s.n, s.n, s.batch * triangle_of(parts_of(s.n, kLargeTile))))
        return launch_symmetric<T, kLargeTile>(op, s, stream);
    launch_symmetric<T, kSmallTile>(op, s, stream);
  });
}
ORTHOKIT_KERNEL(SymmetricProduct, symmetric_product);

}  // namespace orthokit::cuda
