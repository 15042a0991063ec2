#include "cuda/kernels/optimizers/shared/step.cuh"
#include "math/roots.h"
#include "ops/optimizers/adagrad.h"

namespace orthokit::cuda {

// Reads w, g, r and writes w, r.
struct AdagradUpdate {
  const Operand& root;
  double eps;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    T r[kVector];
    load(root, v.at, v.n, r);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      r[i] = math::root_of_sum(T(1), r[i], T(1), v.g[i]);
      const T divisor = r[i] + T(eps);
      v.u[i] = divisor == 0 ? T(0) : v.g[i] / divisor;
    }
    store(root, v.at, v.n, r);
  }
};
struct AdagradMethod {
  const Operand* roots;
  double eps;
  __device__ AdagradUpdate of(int tensor) const { return {roots[tensor], eps}; }
};

static void adagrad(const Adagrad& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream, {step.weights, step.grads, step.masters, op.roots, op.steps});
  auto* rates = stream.scratch<double>(op.steps.count + 1);
  count_steps(step, lists.of(kOwnLists + 1), stream, DecayingRate{rates, step.lr, op.lr_decay});
  run_plain_step(step, lists, {.each = rates}, stream, AdagradMethod{lists.of(kOwnLists), op.eps});
}
ORTHOKIT_GRAPH_KERNEL(Adagrad, adagrad);

}  // namespace orthokit::cuda
