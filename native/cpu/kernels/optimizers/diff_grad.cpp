#include "ops/optimizers/diff_grad.h"

#include "cpu/exp.h"
#include "cpu/kernels/optimizers/shared/adam.h"
#include "cpu/kernels/optimizers/shared/state.h"
#include "cpu/kernels/optimizers/shared/step.h"
#include "math/roots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// p is the previous gradient, or anything where there is none.
template <bool has_previous, class T>
static void diff_grad_block(const DiffGrad& op, const math::BiasCorrections& corrections,
                            const T* __restrict g, T* __restrict m, T* __restrict r,
                            T* __restrict p, T* __restrict u, int64_t n) {
  const T beta1 = T(op.beta1), beta2 = T(op.beta2), fresh1 = T(1 - op.beta1),
          fresh2 = T(1 - op.beta2);
  const T eps = T(op.eps), correction = T(corrections.momentum / corrections.root);
  for (int64_t i = 0; i < n; ++i) {
    const T fresh = g[i], root = math::root_of_sum(beta2, r[i], fresh2, fresh);
    const T momentum = beta1 * m[i] + fresh1 * fresh, divisor = root + eps;
    T one_over_friction = 2;
    if constexpr (has_previous) {
      one_over_friction = 1 + exp_of_negative(-std::abs(p[i] - fresh));
      p[i] = fresh;
    }
    u[i] = divisor == 0 ? T(0) : momentum * correction / (divisor * one_over_friction);
    m[i] = momentum, r[i] = root;
  }
}

void diff_grad(const DiffGrad& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  const math::BiasCorrections* corrections = corrections_of(op.steps, op.beta1, op.beta2, stream);
  run_plain_step(op.step, same_rates(op.step, stream), stream, [&]<class T>(const Block<T>& b) {
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size),
        roots(op.roots[b.tensor], b.begin, b.size);
    const auto run = [&]<bool has_previous>(T* previous) {
      diff_grad_block<has_previous>(op, corrections[b.tensor], b.grads, momenta.data(),
                                    roots.data(), previous, b.update, b.size);
    };
    if (op.previous.count == 0) return run.template operator()<false>(nullptr);
    State<T> previous(op.previous[b.tensor], b.begin, b.size);
    run.template operator()<true>(previous.data());
  });
}
ORTHOKIT_KERNEL(DiffGrad, diff_grad);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
