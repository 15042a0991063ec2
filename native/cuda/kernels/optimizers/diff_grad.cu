#include "cuda/exp.cuh"
#include "cuda/kernels/optimizers/shared/adam.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "math/roots.h"
#include "ops/optimizers/diff_grad.h"

namespace orthokit::cuda {

// Reads w, g, m, r, p and writes w, m, r, p.
struct DiffGradUpdate {
  const Operand &momentum, &root, *previous;  // previous: null if there is none
  double correction;
  MovingAverage one, two;
  double eps;
  // 1 over the friction of each element.
  template <class T>
  __device__ void inverse_frictions(const StepVector<T>& v, T (&inverse)[kVector]) const {
    T p[kVector];
    load(*previous, v.at, v.n, p);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      inverse[i] = 1 + exp_of_change(p[i] - v.g[i]);
      p[i] = v.g[i];
    }
    store(*previous, v.at, v.n, p);
  }
  static __device__ double exp_of_change(double change) { return exp_of_negative(-fabs(change)); }
  static __device__ float exp_of_change(float change) { return expf(-fabsf(change)); }
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    T m[kVector], r[kVector], inverse[kVector] = {2, 2, 2, 2};
    if (previous) inverse_frictions(v, inverse);
    load(momentum, v.at, v.n, m);
    load(root, v.at, v.n, r);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      m[i] = T(one.kept) * m[i] + T(one.fresh) * v.g[i];
      r[i] = math::root_of_sum(T(two.kept), r[i], T(two.fresh), v.g[i]);
      const T divisor = r[i] + T(eps);
      v.u[i] = divisor == 0 ? T(0) : m[i] * T(correction) / (divisor * inverse[i]);
    }
    store(momentum, v.at, v.n, m);
    store(root, v.at, v.n, r);
  }
};
struct DiffGradMethod {
  const Operand *momenta, *roots, *previous;  // previous: null if there are none
  const math::BiasCorrections* corrections;
  MovingAverage one, two;
  double eps;
  __device__ DiffGradUpdate of(int tensor) const {
    const math::BiasCorrections& correction = corrections[tensor];
    return {momenta[tensor],
            roots[tensor],
            previous ? previous + tensor : nullptr,
            correction.momentum / correction.root,
            one,
            two,
            eps};
  }
};

static void diff_grad(const DiffGrad& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream, {step.weights, step.grads, step.masters, op.momenta, op.roots,
                             op.previous, op.steps});
  auto* corrections = stream.scratch<math::BiasCorrections>(op.steps.count + 1);
  count_steps(step, lists.of(kOwnLists + 3), stream, CorrectBias{corrections, op.beta1, op.beta2});
  run_plain_step(
      step, lists, {.same = step.lr}, stream,
      DiffGradMethod{lists.of(kOwnLists), lists.of(kOwnLists + 1),
                     op.previous.count > 0 ? lists.of(kOwnLists + 2) : nullptr, corrections,
                     MovingAverage(op.beta1), MovingAverage(op.beta2), op.eps});
}
ORTHOKIT_GRAPH_KERNEL(DiffGrad, diff_grad);

}  // namespace orthokit::cuda
