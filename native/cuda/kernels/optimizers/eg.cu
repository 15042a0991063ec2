#include "cuda/kernels/optimizers/shared/adam.cuh"
#include "cuda/kernels/optimizers/shared/step.cuh"
#include "math/exponentiated.h"
#include "ops/optimizers/eg.h"

namespace orthokit::cuda {

// Multiplies the weights, in place of a subtraction.
struct Exponentiate {
  static __device__ float exp_of(float x) { return expf(x); }
  static __device__ double exp_of(double x) { return exp(x); }
  static __device__ float exp_less_one(float x) { return expm1f(x); }
  static __device__ double exp_less_one(double x) { return expm1(x); }
  template <class T>
  static __device__ void take(StepVector<T>& v, T keep, T cautious, T rate, Sums<3>& sums) {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const T exponent = math::eg_exponent(v.w[i], v.u[i], rate), x = math::cut(exponent);
      const T kept = exponent <= 0 ? keep - cautious : keep;
      const auto [weight, change] = math::eg_step(v.w[i], exp_of(x), exp_less_one(x), kept);
      v.w[i] = weight;
      sums.of[1] += i < v.n ? double(change) * double(change) : 0;
      sums.of[2] += i < v.n && math::is_cut(exponent) ? 1 : 0;
    }
  }
};

template <class T>
__device__ __forceinline__ void add_shrink(StepVector<T>& v, double shrink) {
  if (shrink == 0) return;
#pragma unroll
  for (int i = 0; i < kVector; ++i) v.g[i] += T(shrink) * math::sign_of(v.w[i]);
}

struct PlainEg : Exponentiate {
  static constexpr bool kTakesSteps = true;
  double shrink;
  __device__ const PlainEg& of(int) const { return *this; }
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    add_shrink(v, shrink);
#pragma unroll
    for (int i = 0; i < kVector; ++i) v.u[i] = v.g[i];
  }
};

struct MomentumEgUpdate : Exponentiate {
  const Operand& momentum;
  MomentumRule rule;
  double shrink;
  bool first;  // the momentum begins with this gradient
  __device__ MomentumEgUpdate(const Operand& m, const MomentumRule& r, double s, bool f)
      : momentum(m), rule(r), shrink(s), first(f) {}
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    add_shrink(v, shrink);
    const T beta = T(rule.momentum), fresh = first ? T(1) : T(rule.fresh());
    T m[kVector];
    load(momentum, v.at, v.n, m);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      m[i] = (first ? T(0) : beta * m[i]) + fresh * v.g[i];
      v.u[i] = rule.nesterov ? beta * m[i] + v.g[i] : m[i];
    }
    store(momentum, v.at, v.n, m);
  }
};
struct MomentumEg {
  static constexpr bool kTakesSteps = true;
  const Operand *momenta, *steps;
  MomentumRule rule;
  double shrink;
  __device__ MomentumEgUpdate of(int tensor) const {
    return {momenta[tensor], rule, shrink, *steps[tensor].as<const int32_t>() == 1};
  }
};

struct AdamEgUpdate : Exponentiate {
  AdamDirection adam;
  double shrink;
  __device__ AdamEgUpdate(const AdamDirection& a, double s) : adam(a), shrink(s) {}
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    add_shrink(v, shrink);
    adam(v);
  }
};
struct AdamEg {
  static constexpr bool kTakesSteps = true;
  AdamDirections adam;
  double shrink;
  __device__ AdamEgUpdate of(int tensor) const { return {adam.of(tensor), shrink}; }
};

static void eg(const Eg& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream,
                    {step.weights, step.grads, step.masters, op.momenta, op.roots, op.steps});
  const Rates rates{.same = step.lr};
  const Operand *momenta = lists.of(kOwnLists), *roots = lists.of(kOwnLists + 1),
                *steps = lists.of(kOwnLists + 2);
  if (op.variant == EgVariant::kAdamw) {
    auto* corrections = stream.scratch<math::BiasCorrections>(op.steps.count + 1);
    count_steps(step, steps, stream, CorrectBias{corrections, op.beta1, op.beta2});
    return run_plain_step(step, lists, rates, stream,
                          AdamEg{{momenta, roots, corrections, MovingAverage(op.beta1),
                                  MovingAverage(op.beta2), op.eps},
                                 op.shrink});
  }
  if (op.momenta.count == 0)
    return run_plain_step(step, lists, rates, stream, PlainEg{{}, op.shrink});
  count_steps(step, steps, stream);
  run_plain_step(step, lists, rates, stream, MomentumEg{momenta, steps, op.rule(), op.shrink});
}
ORTHOKIT_GRAPH_KERNEL(Eg, eg);

}  // namespace orthokit::cuda
