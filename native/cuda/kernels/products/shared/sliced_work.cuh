// The work of a batch of products by tiles, whose depth is cut in slices where the tiles are few.
#pragma once
#include "cuda/tile.cuh"

namespace orthokit::cuda {

// A tile of a matrix, and the part of the depth that goes into it.
struct WorkShare {
  int64_t tile, matrix, batch;  // `matrix` counts the slices too
  int64_t from, depth;
};

struct SlicedWork {
  int64_t tiles, batch, k, slice_depth, slices;

  SlicedWork(int64_t tiles_of_matrix, int64_t matrices, int64_t inner, int64_t stage)
      : tiles(tiles_of_matrix), batch(matrices), k(inner) {
    const Slices cut(tiles * batch, k, stage);
    slice_depth = cut.depth, slices = cut.count;
  }
  __host__ __device__ int64_t size() const { return tiles * batch * slices; }
  __device__ WorkShare share(int64_t index) const {
    const int64_t matrix = index / tiles, from = matrix / batch * slice_depth, rest = k - from;
    return {index % tiles, matrix, matrix % batch, from, rest < slice_depth ? rest : slice_depth};
  }
};

}  // namespace orthokit::cuda
