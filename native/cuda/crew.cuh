// Blocks that work on one problem together, with barriers of the whole grid; or one block that does
// the work of each of them in turn, for devices without such barriers, for problems that do not pay
// for them, and for the interpreter. Both give the same bits.
#pragma once
#include "cuda/device/reduce.cuh"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kMostCrew = 32, kCrewThreads = 512;

template <int N>
struct Totals {
  double of[N];
};

// All threads call each function. Elements are dealt in turn: what a thread wrote in a `visit`, it
// reads back itself in another; what others wrote, behind a barrier.
template <bool together>
class Crew {
 public:
  // `parts`: 4 · kMostCrew.
  __device__ Crew(int blocks, double* parts) : blocks_(blocks), parts_(parts) {}

  __device__ bool is_first() const { return threadIdx.x == 0 && first() == 0; }
  __device__ __forceinline__ void barrier() const {
    if constexpr (together)
      grid_sync();
    else
      __syncthreads();
  }
  // f(i) for every i < count.
  template <class F>
  __device__ __forceinline__ void visit(int64_t count, F&& f) const {
    for (int block = first(); block < end(); ++block) visit_part(block, count, f);
  }
  // f(i, sum of term(k) for starts[i] ≤ k < starts[i + 1]) for every i < count, in one of the
  // `lanes` threads that share line i: a power of two, 32 at most.
  template <class Term, class F>
  __device__ __forceinline__ void visit_lines(int lanes, int64_t count, const int32_t* starts,
                                              Term&& term, F&& f) const {
    for (int block = first(); block < end(); ++block)
      visit_lines_of_part(block, lanes, count, starts, term, f);
  }
  // The totals of all that `add(i, mine)` adds to mine[0 … N − 1] of its thread, over all
  // i < count. A barrier.
  template <class R, int N, class F>
  __device__ __forceinline__ Totals<N> reduce(int64_t count, F&& add) {
    return join<R, N>([&](int block, double* mine) {
      visit_part(block, count, [&](int64_t i) { add(i, mine); });
    });
  }
  template <int N, class Term, class F>
  __device__ __forceinline__ Totals<N> sum_lines(int lanes, int64_t count, const int32_t* starts,
                                                 Term&& term, F&& add) {
    return join<Sum, N>([&](int block, double* mine) {
      visit_lines_of_part(block, lanes, count, starts, term,
                          [&](int64_t i, double sum) { add(i, sum, mine); });
    });
  }

 private:
  __device__ static int first() { return together ? int(blockIdx.x) : 0; }
  __device__ int end() const { return together ? int(blockIdx.x) + 1 : blocks_; }

  template <class F>
  __device__ __forceinline__ void visit_part(int block, int64_t count, F&& f) const {
    for (int64_t i = int64_t(block) * kCrewThreads + threadIdx.x; i < count;
         i += int64_t(blocks_) * kCrewThreads)
      f(i);
  }
  template <class Term, class F>
  __device__ __forceinline__ void visit_lines_of_part(int block, int lanes, int64_t count,
                                                      const int32_t* starts, Term&& term,
                                                      F&& f) const {
    const int lane = int(threadIdx.x) & (lanes - 1), lines = kCrewThreads / lanes;
    // The same for all threads of a warp, which add up together.
    for (int64_t top = int64_t(block) * lines; top < count; top += int64_t(blocks_) * lines) {
      const int64_t i = top + int(threadIdx.x) / lanes;
      double sum = 0;
      if (i < count)
        for (int32_t k = starts[i] + lane; k < starts[i + 1]; k += lanes) sum += term(k);
      for (int step = lanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kFullWarp, sum, step);
      if (lane == 0 && i < count) f(i, sum);
    }
  }
  // Two places for parts: those of one are read while others are written.
  template <class R, int N, class F>
  __device__ __forceinline__ Totals<N> join(F&& part_of) {
    static_assert(N <= 2);
    double* to = parts_ + place_ * 2 * kMostCrew;
    place_ = 1 - place_;
    for (int block = first(); block < end(); ++block) {
      double mine[N];
#pragma unroll
      for (int k = 0; k < N; ++k) mine[k] = R::template neutral<double>();
      part_of(block, mine);
#pragma unroll
      for (int k = 0; k < N; ++k) {
        mine[k] = block_reduce<R>(mine[k]);
        if (threadIdx.x == 0) to[k * kMostCrew + block] = mine[k];
      }
    }
    barrier();  // all parts are there
    const int lane = int(threadIdx.x) % kWarp;
    Totals<N> totals;
#pragma unroll
    for (int k = 0; k < N; ++k)
      totals.of[k] =
          warp_reduce<R>(lane < blocks_ ? to[k * kMostCrew + lane] : R::template neutral<double>());
    return totals;
  }

  const int blocks_;
  double* parts_;
  int place_ = 0;
};

// The second bound, because ptxas spills to hold more blocks where it is left to itself.
template <bool together, class Body>
__global__ void __launch_bounds__(kCrewThreads, 1)
    crew_kernel(int blocks, double* parts, Body body) {
  Crew<together> crew(blocks, parts);
  body(crew);
}

// True if so many blocks may wait for each other: each has a multiprocessor of its own.
inline bool have_room_at_once(const Stream& stream, int blocks) {
  int device = 0, cooperates = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&cooperates, cudaDevAttrCooperativeLaunch, device),
        "cudaDeviceGetAttribute");
  return cooperates != 0 && blocks <= stream.units();
}

// body(crew), in parts whose number the size of the work fixes. One launch, in no graph. A body is
// a struct of plain data with a __device__ operator() that is a template of the crew.
template <class Body>
void in_crew(Stream& stream, int64_t size, const Body& body) {
  constexpr int64_t kShareOfBlock = 4096;  // less takes as long as the barriers
  const int64_t wanted = size / kShareOfBlock;
  const int blocks = int(wanted < 1 ? 1 : wanted < kMostCrew ? wanted : kMostCrew);
  auto* parts = stream.scratch<double>(4 * kMostCrew);
  if (blocks > 1 && have_room_at_once(stream, blocks)) {
    stream.graphs().flush();
    check(launch(crew_kernel<true, Body>,
                 Launch{dim3(unsigned(blocks)), kCrewThreads, 0, stream.handle(), true}, blocks,
                 parts, body),
          "cudaLaunchKernel");
  } else {
    launch(stream, crew_kernel<false, Body>, {1, kCrewThreads}, blocks, parts, body);
  }
}

}  // namespace orthokit::cuda
