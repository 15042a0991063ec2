// Rows of a matrix: a warp for a short one, a block for others. A long row has a block that fills a
// multiprocessor, so that the rows under way together stay in cache between the passes over them.
#pragma once
#include "cuda/device/reduce.cuh"
#include "cuda/groups.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kRowThreads = 256, kLongRowThreads = 1024;  // of a block
inline constexpr int64_t kShortRow = 512;    // elements of the longest short row
inline constexpr int64_t kMiddleRow = 4096;  // a longer one is long

// The threads that share a row. Groups of elements are dealt in turn, the same ones in every pass:
// what a thread wrote it reads back itself.
template <int threads>
struct Team {
  static constexpr int size = threads;
  int rank;
  // All threads call it, and all get the result, in an order that the code fixes.
  template <class R, class T>
  __device__ __forceinline__ T reduce(T x) const {
    if constexpr (threads == kWarp)
      return warp_reduce<R>(x);
    else
      return block_reduce<R>(x);
  }
  template <class T>
  __device__ __forceinline__ T sum(T x) const {
    return reduce<Sum>(x);
  }
  // f(j, x[j], …) for every element j of the row; x are pointers, or Optional.
  template <class F, class... X>
  __device__ __forceinline__ void visit(int64_t columns, F&& f, const X&... x) const {
    on_group(columns, [&]<int N>() {
#pragma unroll 2  // more would take the registers of other blocks
      for (int64_t at = int64_t(rank) * N; at < columns; at += size * N)
        visit_group<N>(at, f, x...);
    });
  }
  // out[j] = f(j, x[j], …); out may be an x.
  template <class T, class F, class... X>
  __device__ __forceinline__ void map(int64_t columns, T* out, F&& f, const X&... x) const {
    on_group(columns, [&]<int N>() {
#pragma unroll 2  // more would take the registers of other blocks
      for (int64_t at = int64_t(rank) * N; at < columns; at += size * N)
        map_group<N>(at, out, f, x...);
    });
  }
};

template <int threads>
inline constexpr int kThreadsOfBlock = threads < kRowThreads ? kRowThreads : threads;
// At once on a multiprocessor, at least. Left to itself, ptxas spills to hold one more. A body that
// needs more registers than three blocks leave has its own `kBlocks`.
template <int threads, class Body>
constexpr int blocks_of_rows() {
  if (threads > kRowThreads) return 1;
  if constexpr (requires { Body::kBlocks; }) return Body::kBlocks;
  return 3;
}

// A body whose registers do not fit into blocks of the longest rows has its own `kLongRowThreads`.
template <class Body>
constexpr int threads_of_long_row() {
  if constexpr (requires { Body::kLongRowThreads; }) return Body::kLongRowThreads;
  return kLongRowThreads;
}

template <int threads, class Body>
__global__ void __launch_bounds__(kThreadsOfBlock<threads>, blocks_of_rows<threads, Body>())
    row_kernel(int64_t rows, Body body) {
  constexpr int kTeams = kThreadsOfBlock<threads> / threads;
  const Team<threads> team{int(threadIdx.x) % threads};
  // All threads of a team stay together: its row is the same for each of them.
  for (int64_t row = int64_t(blockIdx.x) * kTeams + int(threadIdx.x) / threads; row < rows;
       row += int64_t(gridDim.x) * kTeams)
    body(team, row);
}

template <int threads, class Body>
void run_rows(Stream& stream, int64_t rows, const Body& body) {
  constexpr int64_t kTeams = kThreadsOfBlock<threads> / threads;
  launch(stream, row_kernel<threads, Body>,
         {blocks_for((rows + kTeams - 1) / kTeams), kThreadsOfBlock<threads>}, rows, body);
}

// body(team, row) for every row. A body is a struct of plain data with a __device__ operator() that
// is a template of the team.
template <class Body>
void for_rows(Stream& stream, int64_t rows, int64_t columns, const Body& body) {
  if (rows == 0) return;
  if (columns <= kShortRow)
    run_rows<kWarp>(stream, rows, body);
  else if (columns <= kMiddleRow)
    run_rows<kRowThreads>(stream, rows, body);
  else
    run_rows<threads_of_long_row<Body>()>(stream, rows, body);
}

}  // namespace orthokit::cuda
