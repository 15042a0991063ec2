#include "cuda/matrix.cuh"
#include "ops/elementwise/rearrange.h"

namespace orthokit::cuda {

// The axes of a copy that are not done apart.
struct OuterAxes {
  int rank;
  int64_t size[Rearrange::kMostAxes], in_x[Rearrange::kMostAxes], in_out[Rearrange::kMostAxes];
  explicit OuterAxes(const RearrangePlan& plan) : rank(plan.rank) {
    for (int k = 0; k < Rearrange::kMostAxes; ++k) {
      const bool used = k < rank;
      size[k] = used ? plan.size[k] : 1, in_x[k] = used ? plan.in_x[k] : 0;
      in_out[k] = used ? plan.in_out[k] : 0;
    }
  }
  // Unrolled: an index that is not fixed would put the arrays into local memory.
  __device__ __forceinline__ void places(int64_t index, int64_t& x, int64_t& out) const {
    x = 0, out = 0;
#pragma unroll
    for (int k = Rearrange::kMostAxes - 1; k >= 0; --k) {
      if (k >= rank) continue;
      const int64_t next = index / size[k], i = index - next * size[k];
      index = next;
      x += i * in_x[k], out += i * in_out[k];
    }
  }
};

template <class T>
struct CopyRun {
  const T* x;
  T* out;
  OuterAxes axes;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    int64_t from, to;
    axes.places(row, from, to);
    store_group(out + to, at, load_group<N>(x + from, at));
  }
};

inline constexpr int kSide = 32, kDownThreads = 8;  // of a tile, and of a block

struct TransposedRuns {
  int64_t rows, columns;  // neighbours in out, and neighbours in x
  int64_t row_in_x, column_in_out;
  int64_t wide, high, tiles;  // tiles of a matrix from side to side, and of all
};

template <class T>
__global__ void __launch_bounds__(kSide* kDownThreads)
    rearrange_kernel(TransposedRuns runs, OuterAxes axes, const T* x, T* out) {
  // An odd number of words a line: neither rows nor columns have bank conflicts.
  constexpr int kPad = sizeof(T) < 4 ? 4 / int(sizeof(T)) : 1;
  __shared__ T tile[kSide][kSide + kPad];
  const int own = int(threadIdx.x) % kSide, lane = int(threadIdx.x) / kSide;
  for (int64_t index = blockIdx.x; index < runs.tiles; index += gridDim.x) {
    const int64_t band = index / runs.wide, left = (index - band * runs.wide) * kSide;
    const int64_t matrix = band / runs.high, top = (band - matrix * runs.high) * kSide;
    int64_t from, to;
    axes.places(matrix, from, to);
    for (int i = lane; i < kSide; i += kDownThreads)
      if (top + i < runs.rows && left + own < runs.columns)
        tile[i][own] = x[from + (top + i) * runs.row_in_x + left + own];
    __syncthreads();  // the tile is there
    for (int i = lane; i < kSide; i += kDownThreads)
      if (left + i < runs.columns && top + own < runs.rows)
        out[to + (left + i) * runs.column_in_out + top + own] = tile[own][i];
    __syncthreads();  // nobody reads it any more
  }
}

static void rearrange(const Rearrange& op, Stream& stream) {
  if (op.x.size() == 0) return;
  const RearrangePlan plan(op);
  const int inner = plan.inner(), last = plan.rank - 1;
  visit_moved(op.x.dtype, [&]<class T>() {
    if (plan.in_x[last] == 1) {
      const RearrangePlan rest = plan.without(last);
      for_matrix(stream, rest.count(), plan.size[last],
                 CopyRun<T>{op.x.as<T>(), op.out.as<T>(), OuterAxes(rest)});
      return;
    }
    const RearrangePlan rest = plan.without(last).without(inner);
    TransposedRuns runs{
        plan.size[last], plan.size[inner], plan.in_x[last], plan.in_out[inner], 0, 0, 0};
    runs.wide = (runs.columns + kSide - 1) / kSide, runs.high = (runs.rows + kSide - 1) / kSide;
    runs.tiles = rest.count() * runs.wide * runs.high;
    launch(stream, rearrange_kernel<T>, {blocks_for(runs.tiles), kSide * kDownThreads}, runs,
           OuterAxes(rest), op.x.as<T>(), op.out.as<T>());
  });
}
ORTHOKIT_KERNEL(Rearrange, rearrange);

}  // namespace orthokit::cuda
