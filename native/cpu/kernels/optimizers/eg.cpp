#include "ops/optimizers/eg.h"

#include "cpu/elementary.h"
#include "cpu/kernels/optimizers/shared/adam.h"
#include "cpu/kernels/optimizers/shared/exponentiate_floats.h"
#include "cpu/kernels/optimizers/shared/state.h"
#include "cpu/kernels/optimizers/shared/step.h"
#include "math/exponentiated.h"
#include "math/roots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// exp(x) = 2ᵏ (1 + q) and exp(x) − 1 = 2ᵏ q + (2ᵏ − 1), for |x| of some ten.
template <class T>
struct ExpParts {
  T power, q;
};
[[maybe_unused]] static ExpParts<float> exp_parts(float x) {
  const ReducedFloat reduced = reduced_by_log_two(x);
  return {power_of_two(reduced.k()), exp_less_one_near_zero(reduced.r)};
}
static ExpParts<double> exp_parts(double x) {
  const Reduced reduced = reduced_by_log_two(x);
  return {power_of_two(reduced.k), reduced.r * exp_slope(reduced.r)};
}

// The number of exponents that are cut.
template <class T>
static int32_t count_cuts(const T* w, const T* u, int64_t n, T rate) {
  int32_t cuts = 0;
  for (int64_t i = 0; i < n; ++i) cuts += math::is_cut(math::eg_exponent(w[i], u[i], rate)) ? 1 : 0;
  return cuts;
}

// w ← kept · w · exp(−rate · sign(w) · u); u ← by how much the exponential moves |w|.
template <class T>
static void exponentiate(T* __restrict w, T* __restrict u, int64_t n, T keep, T cautious, T rate) {
  for (int64_t i = 0; i < n; ++i) {
    const T exponent = math::eg_exponent(w[i], u[i], rate);
    const auto [power, q] = exp_parts(math::cut(exponent));
    const T kept = exponent <= 0 ? keep - cautious : keep;
    const auto [weight, change] =
        math::eg_step(w[i], power * (1 + q), fused(power, q, power - 1), kept);
    w[i] = weight, u[i] = change;
  }
}

struct EgDirection {
  const Eg& op;
  const double* counts;                      // of steps, if there are momenta
  const math::BiasCorrections* corrections;  // for the variant adamw

  // The gradient with its shrink.
  template <class T>
  static T shrunk(const Block<T>& b, int64_t i, T shrink) {
    return shrink == 0 ? b.grads[i] : b.grads[i] + shrink * math::sign_of(b.weights[i]);
  }
  template <class T>
  void plain(const Block<T>& b) const {
    const T shrink = T(op.shrink);
    for (int64_t i = 0; i < b.size; ++i) b.update[i] = shrunk(b, i, shrink);
  }
  template <class T>
  void with_momentum(const Block<T>& b) const {
    const MomentumRule rule = op.rule();
    const bool first = counts[b.tensor] == 1;
    const T beta = T(rule.momentum), kept = first ? T(0) : beta,
            fresh = first ? T(1) : T(rule.fresh()), shrink = T(op.shrink);
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size);
    T* __restrict m = momenta.data(), * __restrict u = b.update;
    if (first) std::fill_n(m, b.size, T(0));
    for (int64_t i = 0; i < b.size; ++i) {
      const T gradient = shrunk(b, i, shrink), momentum = kept * m[i] + fresh * gradient;
      u[i] = rule.nesterov ? beta * momentum + gradient : momentum;
      m[i] = momentum;
    }
  }
  template <class T>
  void with_two_moments(const Block<T>& b) const {
    const T correction1 = T(corrections[b.tensor].momentum),
            correction2 = T(corrections[b.tensor].root);
    const T beta1 = T(op.beta1), beta2 = T(op.beta2), fresh1 = T(1 - op.beta1),
            fresh2 = T(1 - op.beta2), eps = T(op.eps), shrink = T(op.shrink);
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size),
        roots(op.roots[b.tensor], b.begin, b.size);
    T* __restrict m = momenta.data(), * __restrict r = roots.data(), * __restrict u = b.update;
    for (int64_t i = 0; i < b.size; ++i) {
      const T gradient = shrunk(b, i, shrink);
      const T root = math::root_of_sum(beta2, r[i], fresh2, gradient);
      const T momentum = beta1 * m[i] + fresh1 * gradient, divisor = root * correction2 + eps;
      u[i] = divisor == 0 ? T(0) : momentum * correction1 / divisor;
      m[i] = momentum, r[i] = root;
    }
  }
  template <class T>
  void operator()(const Block<T>& b) const {
    if (corrections) return with_two_moments(b);
    if (counts) return with_momentum(b);
    plain(b);
  }

  template <class T>
  StepSums take(const Step& step, T* w, T* u, int64_t n, double rate, const T* next_grads) const {
    const T keep = T(step.keep()), cautious = T(step.cautious()), factor = finite_factor<T>(rate);
    StepSums sums;
#ifdef __AVX512F__
    if constexpr (std::is_same_v<T, float>)
      sums.own = ExponentiateFloats(keep, cautious, factor)(w, u, n, next_grads);
    else
#endif
    {
      ask_for(w + n, n * int64_t(sizeof(T))), ask_for(next_grads, n * int64_t(sizeof(T)));
      if (step.statistics) sums.own = count_cuts(w, u, n, factor);
      exponentiate(w, u, n, keep, cautious, factor);
    }
    if (step.statistics) sums.update = block_sum_of_squares(u, n);
    return sums;
  }
};

void eg(const Eg& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  EgDirection direction{op, nullptr, nullptr};
  if (op.variant == EgVariant::kAdamw)
    direction.corrections = corrections_of(op.steps, op.beta1, op.beta2, stream);
  else if (op.momenta.count > 0)
    direction.counts = count_steps(op.steps, stream);
  run_plain_step(op.step, same_rates(op.step, stream), stream, direction);
}
ORTHOKIT_KERNEL(Eg, eg);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
