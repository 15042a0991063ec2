// Triangular systems: a warp solves for one column of a right side.
#pragma once
#include "cuda/kernels/dense/shared/dense.cuh"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

template <class T>
struct TriangleWork {
  const T *factor, *rhs;
  const int32_t* pivots;
  T* out;
  int64_t batch, n, columns;
  BlockMemory memory;  // a column for each warp
};

// Every lane calls each function; x is complete behind it.
template <class T>
struct WarpTriangle {
  const T* a;
  int64_t n;
  int lane;

  // L x = b; the diagonal is 1 where it `is_unit`.
  __device__ void solve_lower(T* x, bool is_unit) const {
    for (int64_t i = 0; i < n; ++i) {
      const T sum = warp_dot(a + i * n, x, 0, i, lane);
      if (lane == 0) x[i] = is_unit ? x[i] - sum : (x[i] - sum) / a[i * n + i];
      __syncwarp();
    }
  }
  // Lᵀ x = b, by the rows of L.
  __device__ void solve_lower_transposed(T* x) const {
    for (int64_t i = n - 1; i >= 0; --i) {
      const T* row = a + i * n;
      const T own = x[i] / row[i];
      __syncwarp();  // it has been read
      for (int64_t t = lane; t < i; t += kWarp) x[t] = fused(-row[t], own, x[t]);
      if (lane == 0) x[i] = own;
      __syncwarp();
    }
  }
  // U x = b.
  __device__ void solve_upper(T* x) const {
    for (int64_t i = n - 1; i >= 0; --i) {
      const T sum = warp_dot(a + i * n, x, i + 1, n, lane);
      if (lane == 0) x[i] = (x[i] - sum) / a[i * n + i];
      __syncwarp();
    }
  }
};

template <class T, bool by_lu>
__global__ void __launch_bounds__(kDenseThreads, 2) triangle_kernel(TriangleWork<T> work) {
  const int warp = int(threadIdx.x) / kWarp, lane = int(threadIdx.x) % kWarp;
  const int64_t n = work.n, columns = work.columns;
  T* x = reinterpret_cast<T*>(work.memory.of_block()) + warp * n;
  const int64_t groups = (columns + kDenseWarps - 1) / kDenseWarps;
  for (int64_t item = blockIdx.x; item < work.batch * groups; item += gridDim.x) {
    const int64_t index = item / groups, column = item % groups * kDenseWarps + warp;
    if (column >= columns) continue;
    const WarpTriangle<T> triangle{work.factor + index * n * n, n, lane};
    const T* from = work.rhs + index * n * columns + column;
    T* to = work.out + index * n * columns + column;
    for (int64_t i = lane; i < n; i += kWarp) {
      if constexpr (by_lu) {
        const int64_t row = work.pivots[index * n + i];
        x[i] = row >= 0 && row < n ? from[row * columns] : T(NAN);
      } else {
        x[i] = from[i * columns];
      }
    }
    __syncwarp();
    triangle.solve_lower(x, by_lu);
    if constexpr (by_lu)
      triangle.solve_upper(x);
    else
      triangle.solve_lower_transposed(x);
    for (int64_t i = lane; i < n; i += kWarp) to[i * columns] = x[i];
    __syncwarp();  // the next column takes x
  }
}

template <class T, bool by_lu>
void solve_triangles(Stream& stream, const View& factor, const View& rhs, const View& out,
                     const int32_t* pivots) {
  if (rhs.size() == 0) return;
  const Matrices m = matrices(rhs);
  const int64_t groups = (m.columns + kDenseWarps - 1) / kDenseWarps;
  const unsigned blocks = dense_blocks(m.batch * groups, 8 * kDenseWarps * m.rows);
  const TriangleWork<T> work{
      factor.as<T>(), rhs.as<T>(), pivots,    out.as<T>(),
      m.batch,        m.rows,      m.columns, {stream, kDenseWarps * m.rows, blocks}};
  launch(stream, triangle_kernel<T, by_lu>, {blocks, kDenseThreads, work.memory.shared_bytes()},
         work);
}

}  // namespace orthokit::cuda
