#include "cuda/distances.cuh"
#include "ops/pairwise_costs.h"

namespace orthokit::cuda {

template <class T>
struct PairBody {
  PointCosts<T> costs;
  T* out;
  __device__ void operator()(int64_t at) const {
    const int64_t i = at / costs.points;
    out[at] = T(costs.at(i, at - i * costs.points));
  }
};

static void pairwise_costs(const PairwiseCosts& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const PointCosts<T> costs{op.x.as<T>(), coordinates_of<T>(stream, op.y), op.y.shape[0],
                              op.x.shape[1], op.metric};
    for_items(stream, op.out.size(), PairBody<T>{costs, op.out.as<T>()});
  });
}
ORTHOKIT_KERNEL(PairwiseCosts, pairwise_costs);

}  // namespace orthokit::cuda
