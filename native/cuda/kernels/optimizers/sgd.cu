#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/sgd.h"

namespace orthokit::cuda {

struct PlainSgd {
  __device__ PlainSgd of(int) const { return {}; }
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
#pragma unroll
    for (int i = 0; i < kVector; ++i) v.u[i] = v.g[i];
  }
};

struct MomentumUpdate {
  const Operand& momentum;
  MomentumRule rule;
  bool first;  // the momentum begins with this gradient
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    const T beta = T(rule.momentum), fresh = first ? T(1) : T(rule.fresh()),
            ahead = T(rule.look_ahead());
    T m[kVector];
    load(momentum, v.at, v.n, m);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      m[i] = (first ? T(0) : beta * m[i]) + fresh * v.g[i];
      v.u[i] = rule.nesterov ? beta * m[i] + ahead * v.g[i] : m[i];
    }
    store(momentum, v.at, v.n, m);
  }
};
struct MomentumSgd {
  const Operand *momenta, *steps;
  MomentumRule rule;
  __device__ MomentumUpdate of(int tensor) const {
    return {momenta[tensor], rule,
            rule.form == MomentumForm::kHeavyBall && *steps[tensor].as<const int32_t>() == 1};
  }
};

static void sgd(const Sgd& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream, {step.weights, step.grads, step.masters, op.momenta, op.steps});
  const Rates rates{.same = step.lr};
  if (op.momenta.count == 0) return run_plain_step(step, lists, rates, stream, PlainSgd{});
  const Operand *momenta = lists.of(kOwnLists), *steps = lists.of(kOwnLists + 1);
  count_steps(step, steps, stream);
  run_plain_step(step, lists, rates, stream, MomentumSgd{momenta, steps, op.rule()});
}
ORTHOKIT_GRAPH_KERNEL(Sgd, sgd);

}  // namespace orthokit::cuda
