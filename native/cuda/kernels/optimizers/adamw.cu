#include "cuda/kernels/optimizers/shared/adam.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "math/roots.h"
#include "ops/optimizers/adamw.h"

namespace orthokit::cuda {

// Reads w, g, m, r and writes w, m, r.
struct AdamwUpdate {
  const Operand &momentum, &root;
  math::BiasCorrections correction;
  MovingAverage one, two;
  double eps;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    const T first = T(correction.momentum), second = T(correction.root);
    T m[kVector], r[kVector];
    load(momentum, v.at, v.n, m);
    load(root, v.at, v.n, r);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      m[i] = T(one.kept) * m[i] + T(one.fresh) * v.g[i];
      r[i] = math::root_of_sum(T(two.kept), r[i], T(two.fresh), v.g[i]);
      const T divisor = r[i] * second + T(eps);
      v.u[i] = divisor == 0 ? T(0) : m[i] * first / divisor;
    }
    store(momentum, v.at, v.n, m);
    store(root, v.at, v.n, r);
  }
};
struct AdamwMethod {
  const Operand *momenta, *roots;
  const math::BiasCorrections* corrections;
  MovingAverage one, two;
  double eps;
  __device__ AdamwUpdate of(int tensor) const {
    return {momenta[tensor], roots[tensor], corrections[tensor], one, two, eps};
  }
};

static void adamw(const Adamw& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream,
                    {step.weights, step.grads, step.masters, op.momenta, op.roots, op.steps});
  auto* corrections = stream.scratch<math::BiasCorrections>(op.steps.count + 1);
  count_steps(step, lists.of(kOwnLists + 2), stream, CorrectBias{corrections, op.beta1, op.beta2});
  run_plain_step(step, lists, {.same = step.lr}, stream,
                 AdamwMethod{lists.of(kOwnLists), lists.of(kOwnLists + 1), corrections,
                             MovingAverage(op.beta1), MovingAverage(op.beta2), op.eps});
}
ORTHOKIT_GRAPH_KERNEL(Adamw, adamw);

}  // namespace orthokit::cuda
