#include "cuda/distances.cuh"
#include "ops/pairwise_costs.h"

namespace orthokit::cuda {

template <class T>
struct PairBody {
  PointCosts costs;
  int64_t columns;
  T* out;
  __device__ void operator()(int64_t at) const {
    const int64_t i = at / columns;
    out[at] = T(costs.at(i, at - i * columns));
  }
};

static void pairwise_costs(const PairwiseCosts& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const PointCosts costs{coordinates_of<T>(stream, op.x), coordinates_of<T>(stream, op.y),
                           op.x.shape[1], op.metric};
    for_items(stream, op.out.size(), PairBody<T>{costs, op.y.shape[0], op.out.as<T>()});
  });
}
ORTHOKIT_KERNEL(PairwiseCosts, pairwise_costs);

}  // namespace orthokit::cuda
