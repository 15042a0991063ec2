// Squared distances by products, a tile of pairs a block at a time.
#pragma once
#include "cuda/kernels/transport/shared/centred_points.cuh"
#include "cuda/tile.cuh"
#include "ops/transport/shared/distances.h"

namespace orthokit::cuda {

template <class T>
struct PairTiles {
  static constexpr int kAllSteps = 1 << 30;  // more coordinates than memory holds of one point
  using Tile = TileProduct<double, kSmallTile, true, true, kAllSteps>;
  using Rows = Slab<double, kSmallTile>;
  // Of a slab, kLanes neighbouring threads share a row.
  static constexpr int kSlabs = kSmallTile / Rows::kRows, kLanes = kTileThreads / Rows::kRows,
                       kEach = kSmallTile / kLanes;

  Side<double> x, y;
  const double *x_squares, *y_squares;
  const T *x_points, *y_points;
  int64_t rows, columns, dimension;

  // each(slab, i, j, cost) for the calling thread's pairs of the tile from i = row, j = column on:
  // one row a slab. All threads of the block call it.
  template <class Each>
  __device__ __forceinline__ void run(int64_t row, int64_t column, const Each& each) const {
    const int own = int(threadIdx.x) / kLanes, lane = int(threadIdx.x) % kLanes;
    Tile::run({x, 0, row, rows, 0}, {y, 0, column, columns, 0}, dimension,
              [&](const Rows& slab, bool, bool) {
                const int64_t i = row + slab.row + own;
#pragma unroll
                for (int c = 0; c < kEach; ++c) {
                  const int64_t j = column + lane + c * kLanes;
                  if (i >= rows || j >= columns) continue;
                  const double dot = slab.values[own * Rows::kPitch + lane + c * kLanes];
                  each(slab.row / Rows::kRows, i, j, cost_of(i, j, dot));
                }
              });
  }

 private:
  // By differences where too many digits cancel, or the squares overflow.
  __device__ __forceinline__ double cost_of(int64_t i, int64_t j, double dot) const {
    const double squares = x_squares[i] + y_squares[j], cost = fused(-2.0, dot, squares);
    return cost > kLeastShare * squares ? cost : by_differences(i, j);
  }
  __device__ double by_differences(int64_t i, int64_t j) const {
    double sum = 0;
#pragma unroll 1
    for (int64_t k = 0; k < dimension; ++k) {
      const double by = double(x_points[i * dimension + k]) - double(y_points[j * dimension + k]);
      sum = fused(by, by, sum);
    }
    return sum;
  }
};

template <class T>
PairTiles<T> pair_tiles_of(Stream& stream, const View& x, const View& y) {
  const int64_t n = x.shape[0], m = y.shape[0], d = x.shape[1];
  const CentredClouds clouds = centred(stream, x, y);
  return {{clouds.x.coordinates, d, 0},
          {clouds.y.coordinates, d, 0},
          clouds.x.squares,
          clouds.y.squares,
          x.as<T>(),
          y.as<T>(),
          n,
          m,
          d};
}

}  // namespace orthokit::cuda
