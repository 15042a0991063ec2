#include "cuda/tile.cuh"
#include "ops/pursuit/correlations.h"

namespace orthokit::cuda {

template <class T>
struct CorrelationWork {
  Side<T> x, atoms;
  T* out;
  int64_t signals, count, depth, across, tiles;
  bool whole;  // 16-byte accesses of out are aligned
};

// A tile an atom panel and a signal panel, its depth never cut: the order of a sum does not depend
// on how many signals there are.
template <class T>
__global__ void __launch_bounds__(kTileThreads, 2) correlations_kernel(CorrelationWork<T> work) {
  for (int64_t index = blockIdx.x; index < work.tiles; index += gridDim.x) {
    const int64_t row = index / work.across * kSmallTile, column = index % work.across * kSmallTile;
    TileProduct<T, kSmallTile, true, true>::run(
        {work.x, 0, row, work.signals, 0}, {work.atoms, 0, column, work.count, 0}, work.depth,
        [&](const Slab<T, kSmallTile>& slab, bool first, bool) {
          slab.template each<false>([&](int r, int c, T(&values)[kChunk<T>]) {
            if (row + r >= work.signals) return;
            T* out = work.out + (row + r) * work.count + column + c;
            if (work.whole) {
              if (column + c >= work.count) return;
              T before[kChunk<T>];
              if (!first) {
                load_chunk(out, before);
#pragma unroll
                for (int v = 0; v < kChunk<T>; ++v) values[v] = before[v] + values[v];
              }
              write_chunk(out, values);
              return;
            }
#pragma unroll
            for (int v = 0; v < kChunk<T>; ++v)
              if (column + c + v < work.count) out[v] = first ? values[v] : out[v] + values[v];
          });
        });
  }
}

static void correlations(const Correlations& op, Stream& stream) {
  if (op.out.size() == 0) return;
  const int64_t signals = op.x.shape[0], depth = op.x.shape[1], count = op.atoms.shape[0],
                across = parts_of(count, kSmallTile);
  visit(op.out.dtype, [&]<class T>() {
    const CorrelationWork<T> work{{op.x.as<T>(), depth, signals * depth},
                                  {op.atoms.as<T>(), depth, count * depth},
                                  op.out.as<T>(),
                                  signals,
                                  count,
                                  depth,
                                  across,
                                  across * parts_of(signals, kSmallTile),
                                  is_aligned(op.out.as<T>()) && count % kChunk<T> == 0};
    launch(stream, correlations_kernel<T>, {blocks_for(work.tiles), kTileThreads}, work);
  });
}
ORTHOKIT_KERNEL(Correlations, correlations);

}  // namespace orthokit::cuda
