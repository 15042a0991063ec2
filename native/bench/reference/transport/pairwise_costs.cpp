#include "ops/transport/pairwise_costs.h"

#include "bench/reference/transport/shared/distances.h"

namespace orthokit::bench {

static void pairwise_costs(const PairwiseCosts& op) {
  const int64_t n = op.x.shape[0], m = op.y.shape[0];
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j)
      values(op.out)[i * m + j] = distance_of(op.x, op.y, op.metric, i, j);
}
ORTHOKIT_REFERENCE(PairwiseCosts, pairwise_costs, 2.0 * double(op.x.shape[1]) + 4);

}  // namespace orthokit::bench
