#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/lion.h"

namespace orthokit::cuda {

// Reads w, g, m and writes w, m.
struct LionUpdate {
  const Operand& momentum;
  MovingAverage ahead, average;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    T m[kVector];
    load(momentum, v.at, v.n, m);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      v.u[i] = math::sign_of(T(ahead.kept) * m[i] + T(ahead.fresh) * v.g[i]);
      m[i] = T(average.kept) * m[i] + T(average.fresh) * v.g[i];
    }
    store(momentum, v.at, v.n, m);
  }
};
struct LionMethod {
  const Operand* momenta;
  MovingAverage ahead, average;
  __device__ LionUpdate of(int tensor) const { return {momenta[tensor], ahead, average}; }
};

static void lion(const Lion& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream, {step.weights, step.grads, step.masters, op.momenta});
  run_plain_step(step, lists, {.same = step.lr}, stream,
                 LionMethod{lists.of(kOwnLists), MovingAverage(op.beta1), MovingAverage(op.beta2)});
}
ORTHOKIT_GRAPH_KERNEL(Lion, lion);

}  // namespace orthokit::cuda
