// Rows of a matrix: a warp for a short one, a block for a long one.
#pragma once
#include "cuda/device/reduce.cuh"
#include "cuda/groups.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kRowThreads = 256;    // of a block
inline constexpr int64_t kShortRow = 512;  // elements: up to here a warp takes it

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
      for (int64_t at = int64_t(rank) * N; at < columns; at += size * N)
        visit_group<N>(at, f, x...);
    });
  }
  // out[j] = f(j, x[j], …); out may be an x.
  template <class T, class F, class... X>
  __device__ __forceinline__ void map(int64_t columns, T* out, F&& f, const X&... x) const {
    on_group(columns, [&]<int N>() {
      for (int64_t at = int64_t(rank) * N; at < columns; at += size * N)
        map_group<N>(at, out, f, x...);
    });
  }
};

template <int threads, class Body>
__global__ void __launch_bounds__(kRowThreads) row_kernel(int64_t rows, Body body) {
  constexpr int kTeams = kRowThreads / threads;
  const Team<threads> team{int(threadIdx.x) % threads};
  // All threads of a team stay together: its row is the same for each of them.
  for (int64_t row = int64_t(blockIdx.x) * kTeams + int(threadIdx.x) / threads; row < rows;
       row += int64_t(gridDim.x) * kTeams)
    body(team, row);
}

// body(team, row) for every row. A body is a struct of plain data with a __device__ operator() that
// is a template of the team.
template <class Body>
void for_rows(Stream& stream, int64_t rows, int64_t columns, const Body& body) {
  if (rows == 0) return;
  const auto blocks = [&](int64_t teams) {
    constexpr int64_t kMostBlocks = 0x7fffffff;
    const int64_t wanted = (rows + teams - 1) / teams;
    return dim3(unsigned(wanted < kMostBlocks ? wanted : kMostBlocks));
  };
  if (columns <= kShortRow)
    launch(stream, row_kernel<kWarp, Body>, {blocks(kRowThreads / kWarp), kRowThreads}, rows, body);
  else
    launch(stream, row_kernel<kRowThreads, Body>, {blocks(1), kRowThreads}, rows, body);
}

}  // namespace orthokit::cuda
