#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/apply_update.h"

namespace orthokit::cuda {

struct GivenUpdate {
  __device__ GivenUpdate of(int) const { return {}; }
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
#pragma unroll
    for (int i = 0; i < kVector; ++i) v.u[i] = v.g[i];
  }
};

static void apply_update(const ApplyUpdate& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream, {step.weights, step.grads, step.masters});
  Rates rates{.same = step.lr};
  if (op.scales.count > 0) rates.each = stream.table(op.scales.items, op.scales.count);
  run_plain_step(step, lists, rates, stream, GivenUpdate{});
}
ORTHOKIT_GRAPH_KERNEL(ApplyUpdate, apply_update);

}  // namespace orthokit::cuda
