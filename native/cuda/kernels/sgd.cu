#include "cuda/step.cuh"
#include "ops/sgd.h"

namespace orthokit::cuda {

struct PlainSgd {
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
#pragma unroll
    for (int i = 0; i < kVector; ++i) v.u[i] = v.g[i];
  }
};

struct MomentumSgd {
  const Operand *momenta, *steps;
  MomentumRule rule;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    const bool first =
        rule.form == MomentumForm::kHeavyBall && *steps[v.tensor].template as<const int32_t>() == 1;
    const T beta = T(rule.momentum), kept = first ? T(0) : beta,
            fresh = first ? T(1) : T(rule.fresh()), ahead = T(rule.look_ahead());
    T m[kVector];
    load(momenta[v.tensor], v.at, v.n, m);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      m[i] = kept * m[i] + fresh * v.g[i];
      v.u[i] = rule.nesterov ? beta * m[i] + ahead * v.g[i] : m[i];
    }
    store(momenta[v.tensor], v.at, v.n, m);
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
