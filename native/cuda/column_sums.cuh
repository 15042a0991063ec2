// Several sums down each column of a matrix at once, in f64 and in an order that its shape fixes.
#pragma once
#include "cuda/columns.cuh"

namespace orthokit::cuda {

// Of the lanes of a block, for its first one.
template <int N>
__device__ __forceinline__ bool join_lanes(double (&sums)[N]) {
  __shared__ double of_lane[N][kRowLanes][kPanel];
  const int own = int(threadIdx.x) % kPanel, lane = int(threadIdx.x) / kPanel;
#pragma unroll
  for (int s = 0; s < N; ++s) of_lane[s][lane][own] = sums[s];
  __syncthreads();  // every lane's sums are there
  if (lane > 0) return false;
#pragma unroll
  for (int s = 0; s < N; ++s)
    for (int other = 1; other < kRowLanes; ++other) sums[s] += of_lane[s][other][own];
  return true;
}

// A block a band and panel: partial[(band · N + s) · columns + j].
template <int N, class Term>
__global__ void __launch_bounds__(kPanel* kRowLanes)
    column_band_kernel(int64_t rows, int64_t columns, int64_t panels, Term term, double* partial) {
  const int64_t band = blockIdx.x / panels;
  const int own = int(threadIdx.x) % kPanel, lane = int(threadIdx.x) / kPanel;
  const int64_t column = (blockIdx.x - band * panels) * kPanel + own, top = band * kBand;
  const int64_t bottom = top + kBand < rows ? top + kBand : rows;
  double sums[N] = {};
  if (column < columns)
    for (int64_t row = top + lane; row < bottom; row += kRowLanes) term(row, column, sums);
  if (!join_lanes(sums) || column >= columns) return;
#pragma unroll
  for (int s = 0; s < N; ++s) partial[(band * N + s) * columns + column] = sums[s];
}

// A block a panel: each lane takes every kRowLanes-th band.
template <int N, class Finish>
__global__ void __launch_bounds__(kPanel* kRowLanes)
    column_sums_kernel(int64_t bands, int64_t columns, const double* partial, Finish finish) {
  const int own = int(threadIdx.x) % kPanel, lane = int(threadIdx.x) / kPanel;
  const int64_t column = int64_t(blockIdx.x) * kPanel + own;
  double sums[N] = {};
  if (column < columns)
    for (int64_t band = lane; band < bands; band += kRowLanes)
#pragma unroll
      for (int s = 0; s < N; ++s) sums[s] += partial[(band * N + s) * columns + column];
  if (join_lanes(sums) && column < columns) finish(column, sums);
}

// term(i, j, sums) adds what an element counts for to the N sums of its column; finish(j, sums)
// gets them for every column, of no rows too. Both are structs of plain data with a __device__
// operator(). Two launches.
template <int N, class Term, class Finish>
void sum_columns(Stream& stream, int64_t rows, int64_t columns, const Term& term,
                 const Finish& finish) {
  if (columns == 0) return;
  const int64_t bands = (rows + kBand - 1) / kBand, panels = (columns + kPanel - 1) / kPanel;
  auto* partial = stream.scratch<double>(bands * N * columns + 1);
  if (bands > 0)
    launch(stream, column_band_kernel<N, Term>,
           {dim3(unsigned(bands * panels)), kPanel * kRowLanes}, rows, columns, panels, term,
           partial);
  launch(stream, column_sums_kernel<N, Finish>, {dim3(unsigned(panels)), kPanel * kRowLanes}, bands,
         columns, partial, finish);
}

}  // namespace orthokit::cuda
