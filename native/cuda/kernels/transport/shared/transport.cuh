// Shared parts of kernels of dense transport: work on the elements of vectors, work that one block
// does, products with the Gibbs kernel.
#pragma once
#include "cuda/exp.cuh"
#include "cuda/kernels/transport/shared/panels.cuh"
#include "cuda/matrix.cuh"
#include "cuda/rows.cuh"

namespace orthokit::cuda {

inline constexpr int kItemThreads = 256, kOneBlockThreads = 512;

template <class Body>
__global__ void __launch_bounds__(kItemThreads) items_kernel(int64_t count, Body body) {
  for (int64_t i = int64_t(blockIdx.x) * kItemThreads + threadIdx.x; i < count;
       i += int64_t(gridDim.x) * kItemThreads)
    body(i);
}

// body(i) for i < count, each in a thread.
template <class Body>
void for_items(Stream& stream, int64_t count, const Body& body) {
  if (count == 0) return;
  launch(stream, items_kernel<Body>,
         {blocks_for((count + kItemThreads - 1) / kItemThreads), kItemThreads}, count, body);
}

// The threads of the one block that there is. Every thread calls each function; elements are dealt
// in turn, so that what a thread wrote it reads back itself.
struct OneBlock {
  template <class F>
  __device__ void visit(int64_t count, F&& f) const {
    for (int64_t i = threadIdx.x; i < count; i += kOneBlockThreads) f(i);
  }
  template <class F>
  __device__ double sum(int64_t count, F&& f) const {
    double total = 0;
    visit(count, [&](int64_t i) { total += f(i); });
    return block_reduce<Sum>(total);
  }
  template <class F>
  __device__ double max(int64_t count, F&& f) const {
    double most = -INFINITY;
    visit(count, [&](int64_t i) { most = Max::combine(most, f(i)); });
    return block_reduce<Max>(most);
  }
  __device__ bool is_first() const { return threadIdx.x == 0; }
};

// The second bound says that it is alone; without one ptxas spills to hold more.
template <class Body>
__global__ void __launch_bounds__(kOneBlockThreads, 1) one_block_kernel(Body body) {
  body(OneBlock{});
}
// body(block), by the threads of one block.
template <class Body>
void in_one_block(Stream& stream, const Body& body) {
  launch(stream, one_block_kernel<Body>, {1, kOneBlockThreads}, body);
}

// exp(x), 0 below −708, where the result would be subnormal, infinity above 709.
__device__ __forceinline__ double exp_in_range(double x) {
  return x > math::kMostExponent ? INFINITY : exp_of_negative(x);
}

__device__ __forceinline__ bool is_scale(double x) { return x > 0 && x < INFINITY; }

struct TimesBody {
  const double* x;
  double by;
  double* out;
  __device__ void operator()(int64_t i) const { out[i] = x[i] * by; }
};
// Potentials in units of eps, and back.
inline double* in_units(Stream& stream, const View& potential, double inverse) {
  const int64_t n = potential.size();
  auto* out = stream.scratch<double>(n);
  for_items(stream, n, TimesBody{potential.as<double>(), inverse, out});
  return out;
}

// Small problems: one block runs all sweeps, a warp a row.
inline constexpr int64_t kSmallProblem = 1 << 14, kSmallColumns = 256;
inline bool is_small(int64_t rows, int64_t columns) {
  return columns <= kSmallColumns && rows * columns <= kSmallProblem;
}

// Until body.is_over(), at most `count` times: body(team, i) for every row, finish(j, sum) for
// every column, after(block).
template <class Rows, class Body, class Finish, class After>
__global__ void __launch_bounds__(kOneBlockThreads, 1)
    small_sweeps_kernel(int64_t count, int64_t row_count, int64_t columns, Rows rows, Body body,
                        Finish finish, After after) {
  constexpr int kWarps = kOneBlockThreads / kWarp;
  __shared__ double of_warp[kWarps][kSmallColumns];
  const int warp = int(threadIdx.x) / kWarp;
  for (int64_t sweep = 0; sweep < count; ++sweep) {
    if (is_over(body)) return;
    RegisterTeam<kWarp, kSmallColumns / kWarp, Rows> team(rows, columns, 0);
    for (int64_t i = warp; i < row_count; i += kWarps) {
      team.take(i);
      body(team, i);
    }
    team.store_totals(of_warp[warp]);
    __syncthreads();  // the rows are done
    for (int64_t j = threadIdx.x; j < columns; j += kOneBlockThreads) {
      double sum = 0;
      for (int k = 0; k < kWarps; ++k) sum += of_warp[k][j];
      finish(j, sum);
    }
    __syncthreads();  // the columns are done
    after(OneBlock{});
    __syncthreads();  // and what comes after
  }
}
struct NothingAfter {
  __device__ void operator()(const OneBlock&) const {}
};

template <class Rows, class Body, class Finish, class After>
void run_small_sweeps(Stream& stream, int64_t count, int64_t row_count, int64_t columns,
                      const Rows& rows, const Body& body, const Finish& finish,
                      const After& after) {
  launch(stream, small_sweeps_kernel<Rows, Body, Finish, After>, {1, kOneBlockThreads}, count,
         row_count, columns, rows, body, finish, after);
}

template <class T>
struct GibbsBody {
  const T* cost;
  const double *u, *w;
  T* kernel;
  int64_t columns;
  double inverse;
  template <int N>
  __device__ void operator()(int64_t i, int64_t j) const {
    const double own = u[i];
    map_group<N>(
        j, kernel + i * columns,
        [&](int64_t, T x, double of_column) {
          return T(exp_in_range(own + of_column - double(x) * inverse));
        },
        cost + i * columns, w);
  }
};

// kernelᵢⱼ = exp(uᵢ + wⱼ − costᵢⱼ · inverse)
template <class T>
void write_kernel(Stream& stream, const T* cost, const double* u, const double* w, double inverse,
                  int64_t rows, int64_t columns, T* kernel) {
  for_matrix(stream, rows, columns, GibbsBody<T>{cost, u, w, kernel, columns, inverse});
}

// uᵢ kernelᵢⱼ, as a term down the columns.
template <class T>
struct ScaledTerm {
  const T* kernel;
  const double* u;
  int64_t columns;
  __device__ double operator()(int64_t i, int64_t j) const {
    return u[i] * double(kernel[i * columns + j]);
  }
};

}  // namespace orthokit::cuda
