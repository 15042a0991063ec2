#include "cuda/kernels/transport/shared/distances.cuh"
#include "cuda/kernels/transport/shared/pair_tiles.cuh"
#include "ops/transport/pairwise_costs.h"

namespace orthokit::cuda {

// The costs of kPointsAtOnce points of x to one of y.
template <class T>
struct PairBody {
  PointCosts costs;
  int64_t rows, columns;
  T* out;
  __device__ void operator()(int64_t at) const {
    const int64_t group = at / columns, j = at - group * columns, i = group * kPointsAtOnce;
    double of_pairs[kPointsAtOnce];
    costs.several(i, j, of_pairs);
#pragma unroll
    for (int r = 0; r < kPointsAtOnce; ++r)
      if (i + r < rows) out[(i + r) * columns + j] = T(of_pairs[r]);
  }
};

template <class T>
__global__ void __launch_bounds__(kTileThreads, 2) cost_tiles_kernel(PairTiles<T> tiles, T* out) {
  const int64_t across = (tiles.columns + kSmallTile - 1) / kSmallTile;
  const int64_t row = blockIdx.x / across * kSmallTile, column = blockIdx.x % across * kSmallTile;
  tiles.run(row, column,
            [&](int, int64_t i, int64_t j, double cost) { out[i * tiles.columns + j] = T(cost); });
}

static void pairwise_costs(const PairwiseCosts& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    if (multiplies_coordinates(op.metric, op.x.shape[1])) {
      const auto tiles = pair_tiles_of<T>(stream, op.x, op.y);
      const int64_t count = parts_of(tiles.rows, kSmallTile) * parts_of(tiles.columns, kSmallTile);
      if (count > 0)
        launch(stream, cost_tiles_kernel<T>, {dim3(unsigned(count)), kTileThreads}, tiles,
               op.out.as<T>());
      return;
    }
    const PointCosts costs{coordinates_of<T>(stream, op.x), coordinates_of<T>(stream, op.y),
                           op.x.shape[1], op.metric};
    const int64_t n = op.x.shape[0], m = op.y.shape[0];
    for_items(stream, costs.x.stride / kPointsAtOnce * m, PairBody<T>{costs, n, m, op.out.as<T>()});
  });
}
ORTHOKIT_KERNEL(PairwiseCosts, pairwise_costs);

}  // namespace orthokit::cuda
