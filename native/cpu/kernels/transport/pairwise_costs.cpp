#include "ops/transport/pairwise_costs.h"

#include "cpu/kernels/transport/shared/point_pairs.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void pairwise_costs(const PairwiseCosts& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    using Pairs = PointPairs<T>;
    const int64_t n = op.x.shape[0], m = op.y.shape[0];
    const int64_t across = (m + Pairs::kColumns - 1) / Pairs::kColumns,
                  down = (n + Pairs::kRows - 1) / Pairs::kRows;
    const Pairs pairs(stream, op.x, op.y, op.metric);
    stream.parallel(down * across, [&](int64_t at) {
      const int64_t i = at / across * Pairs::kRows, j = at % across * Pairs::kColumns;
      const int64_t columns = std::min(Pairs::kColumns, m - j);
      typename Pairs::Rows rows{i, std::min(Pairs::kRows, n - i)};
      alignas(64) double tile[Pairs::kRows * Pairs::kColumns];
      pairs.fill(rows, j, columns, tile);
      for (int64_t r = 0; r < rows.count; ++r)
        std::copy_n(tile + r * Pairs::kColumns, columns, op.out.as<T>() + (i + r) * m + j);
    });
  });
}
ORTHOKIT_KERNEL(PairwiseCosts, pairwise_costs);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
