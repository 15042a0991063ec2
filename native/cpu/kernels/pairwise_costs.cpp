#include "ops/pairwise_costs.h"

#include "cpu/chunks.h"
#include "cpu/distances.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void pairwise_costs(const PairwiseCosts& op, Stream& stream) {
  const int64_t n = op.x.shape[0], m = op.y.shape[0], d = op.x.shape[1];
  constexpr int64_t kTile = 512;
  visit(op.x.dtype, [&]<class T>() {
    const Coordinates y = coordinates_of<T>(stream, op.y);
    for_rows(stream, n, m, [&](int64_t first, int64_t last) {
      double tile[kTile];
      for (int64_t i = first; i < last; ++i)
        for (int64_t j = 0; j < m; j += kTile) {
          const int64_t count = std::min(kTile, m - j);
          distances_of(op.metric, op.x.as<T>() + i * d, y, j, count, tile);
          std::copy_n(tile, count, op.out.as<T>() + i * m + j);
        }
    });
  });
}
ORTHOKIT_KERNEL(PairwiseCosts, pairwise_costs);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
