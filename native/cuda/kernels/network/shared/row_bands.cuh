// Rows in bands, a block each, which has sums of its own over the columns; they are joined in
// order.
#pragma once
#include "cuda/columns.cuh"
#include "cuda/rows.cuh"

namespace orthokit::cuda {

inline constexpr int64_t kMostBands = 512;
inline constexpr int64_t kWarpColumns = 256;  // up to here a warp takes a row

// The place of a column's sum among those of a row. Neighbouring threads take neighbouring fours,
// which would fall in the same banks.
__device__ inline int64_t slot_of_column(int64_t j, int64_t columns) {
  return columns % kVector == 0 ? j % kVector * (columns / kVector) + j / kVector : j;
}
__device__ inline int64_t column_of_slot(int64_t slot, int64_t columns) {
  const int64_t fours = columns / kVector;
  return columns % kVector == 0 ? slot % fours * kVector + slot / fours : slot;
}

// kSums sums a column.
template <int kSums>
struct ColumnSums {
  double* sums;  // null: nobody asks
  int64_t columns;

  __device__ int64_t slot(int64_t j) const { return slot_of_column(j, columns); }
  __device__ void clear(int64_t j) const {
#pragma unroll
    for (int k = 0; k < kSums; ++k) sums[k * columns + slot(j)] = 0;
  }
  __device__ void add(int64_t j, int k, double x) const { sums[k * columns + slot(j)] += x; }
};

enum class SumPlace { kNowhere, kShared, kScratch };

// A block a band of `height` rows; its teams take them in turn.
template <int threads, class Body>
__global__ void __launch_bounds__(kRowThreads, 2)
    row_band_kernel(Body body, int64_t rows, int64_t columns, int64_t height, SumPlace place,
                    double* partial) {
  constexpr int kTeams = kRowThreads / threads;
  const Team<threads> team{int(threadIdx.x) % threads};
  const int number = int(threadIdx.x) / threads;
  const int64_t all = Body::kSums * columns, top = blockIdx.x * height;
  const int64_t bottom = top + height < rows ? top + height : rows;
  double* of_block = place == SumPlace::kNowhere ? nullptr : partial + blockIdx.x * all;
  double* shared = place == SumPlace::kShared ? dyn_shared<double>() : nullptr;
  const ColumnSums<Body::kSums> sums{shared ? shared + number * all : of_block, columns};
  // The same elements as in every row: a thread's sums are its own.
  if (sums.sums) team.visit(columns, [&](int64_t j) { sums.clear(j); });
  for (int64_t row = top + number; row < bottom; row += kTeams) body(team, row, sums);
  if (!shared) return;
  __syncthreads();  // all teams are through
  for (int64_t s = threadIdx.x; s < all; s += kRowThreads) {
    double total = 0;
    for (int other = 0; other < kTeams; ++other) total += shared[other * all + s];
    of_block[s] = total;
  }
}

// out[k][j] = the k-th sum of column j + beta[k] · out[k][j]; a beta of 0 does not read.
template <class S, int kSums>
struct StoreColumnSums {
  S* out[kSums];  // null: nobody asks
  double beta[kSums];
  int64_t columns;
  __device__ void operator()(int64_t s, double total) const {
    const int64_t j = column_of_slot(s % columns, columns);
#pragma unroll
    for (int k = 0; k < kSums; ++k)
      if (s / columns == k && out[k])
        out[k][j] = convert<S>(beta[k] == 0 ? total : total + beta[k] * convert<double>(out[k][j]));
  }
};

template <int threads, class Body, class Store>
void run_row_bands(Stream& stream, int64_t rows, int64_t columns, const Body& body,
                   const Store& store) {
  constexpr int64_t kTeams = kRowThreads / threads;
  // Up to here sums fit in shared memory, beside what block_reduce takes.
  constexpr int64_t kSharedColumns =
      (kMostShared - kMostWarps * sizeof(double)) / (kTeams * Body::kSums * sizeof(double));
  bool is_asked = false;
  for (auto* out : store.out) is_asked = is_asked || out;
  // Without sums there is no reason to give a block more rows than teams.
  const int64_t turns = is_asked ? rows / (kMostBands * kTeams) + 1 : 1;
  const int64_t height = turns * kTeams, bands = (rows + height - 1) / height;
  const int64_t all = Body::kSums * columns;
  const SumPlace place = !is_asked                   ? SumPlace::kNowhere
                         : columns <= kSharedColumns ? SumPlace::kShared
                                                     : SumPlace::kScratch;
  const size_t shared = place == SumPlace::kShared ? size_t(kTeams * all) * sizeof(double) : 0;
  double* partial = is_asked ? stream.scratch<double>(bands * all) : nullptr;
  if (bands > 0)
    launch(stream, row_band_kernel<threads, Body>, {dim3(unsigned(bands)), kRowThreads, shared},
           body, rows, columns, height, place, partial);
  if (is_asked) join_bands<Sum>(stream, bands, all, partial, store);
}

// body(team, row, sums) for every row, where sums.add(j, k, x) adds to the k-th sum of column j if
// sums.sums is not null. A body is a struct of plain data with kSums and a __device__ operator()
// that is a template of the team.
template <class Body, class Store>
void for_row_bands(Stream& stream, int64_t rows, int64_t columns, const Body& body,
                   const Store& store) {
  if (columns == 0) return;
  if (columns <= kWarpColumns)
    run_row_bands<kWarp>(stream, rows, columns, body, store);
  else
    run_row_bands<kRowThreads>(stream, rows, columns, body, store);
}

}  // namespace orthokit::cuda
