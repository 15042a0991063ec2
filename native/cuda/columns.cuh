// Reductions down the columns of a matrix, in f64 and in an order that its shape fixes.
#pragma once
#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

inline constexpr int kPanel = 32;      // columns of a block: neighbours read neighbours
inline constexpr int kRowLanes = 8;    // rows that it reads at once
inline constexpr int64_t kBand = 256;  // rows of a block

// A block a band and panel: partial[band · columns + j].
template <class R, class Term>
__global__ void __launch_bounds__(kPanel* kRowLanes)
    band_kernel(int64_t rows, int64_t columns, int64_t panels, Term term, double* partial) {
  __shared__ double of_lane[kRowLanes][kPanel];
  const int64_t band = blockIdx.x / panels;
  const int own = int(threadIdx.x) % kPanel, lane = int(threadIdx.x) / kPanel;
  const int64_t column = (blockIdx.x - band * panels) * kPanel + own, top = band * kBand;
  const int64_t bottom = top + kBand < rows ? top + kBand : rows;
  double total = R::template neutral<double>();
  if (column < columns)
    for (int64_t row = top + lane; row < bottom; row += kRowLanes)
      total = R::combine(total, double(term(row, column)));
  of_lane[lane][own] = total;
  __syncthreads();  // every lane's total is there
  if (lane > 0 || column >= columns) return;
  for (int other = 1; other < kRowLanes; ++other) total = R::combine(total, of_lane[other][own]);
  partial[band * columns + column] = total;
}

// A block a panel: each lane takes every kRowLanes-th band.
template <class R, class Finish>
__global__ void __launch_bounds__(kPanel* kRowLanes)
    columns_kernel(int64_t bands, int64_t columns, const double* partial, Finish finish) {
  __shared__ double of_lane[kRowLanes][kPanel];
  const int own = int(threadIdx.x) % kPanel, lane = int(threadIdx.x) / kPanel;
  const int64_t column = int64_t(blockIdx.x) * kPanel + own;
  double total = R::template neutral<double>();
  if (column < columns)
    for (int64_t band = lane; band < bands; band += kRowLanes)
      total = R::combine(total, partial[band * columns + column]);
  of_lane[lane][own] = total;
  __syncthreads();  // every lane's total is there
  if (lane > 0 || column >= columns) return;
  for (int other = 1; other < kRowLanes; ++other) total = R::combine(total, of_lane[other][own]);
  finish(column, total);
}

// finish(j, total of partial[band · columns + j] over the bands), for every column; there may be no
// bands. One launch.
template <class R, class Finish>
void join_bands(Stream& stream, int64_t bands, int64_t columns, const double* partial,
                const Finish& finish) {
  if (columns == 0) return;
  launch(stream, columns_kernel<R, Finish>,
         {dim3(unsigned((columns + kPanel - 1) / kPanel)), kPanel * kRowLanes}, bands, columns,
         partial, finish);
}

// finish(j, total of term(i, j) over the rows i), for every column. Term and Finish are structs of
// plain data with a __device__ operator(). Two launches.
template <class R, class Term, class Finish>
void reduce_columns(Stream& stream, int64_t rows, int64_t columns, const Term& term,
                    const Finish& finish) {
  if (columns == 0) return;
  const int64_t bands = (rows + kBand - 1) / kBand, panels = (columns + kPanel - 1) / kPanel;
  auto* partial = stream.scratch<double>(bands * columns);
  if (bands > 0)
    launch(stream, band_kernel<R, Term>, {dim3(unsigned(bands * panels)), kPanel * kRowLanes}, rows,
           columns, panels, term, partial);
  join_bands<R>(stream, bands, columns, partial, finish);
}

}  // namespace orthokit::cuda
