#include "ops/optimizers/adamw.h"

#include "cpu/kernels/optimizers/shared/adam.h"
#include "cpu/kernels/optimizers/shared/state.h"
#include "cpu/kernels/optimizers/shared/step.h"
#include "math/roots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void adamw(const Adamw& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  const math::BiasCorrections* corrections = corrections_of(op.steps, op.beta1, op.beta2, stream);
  run_plain_step(op.step, same_rates(op.step, stream), stream, [&]<class T>(const Block<T>& b) {
    const T correction1 = T(corrections[b.tensor].momentum),
            correction2 = T(corrections[b.tensor].root);
    const T beta1 = T(op.beta1), beta2 = T(op.beta2), fresh1 = T(1 - op.beta1),
            fresh2 = T(1 - op.beta2);
    const T eps = T(op.eps);
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size),
        roots(op.roots[b.tensor], b.begin, b.size);
    T* __restrict m = momenta.data(), * __restrict r = roots.data();
    const T* __restrict g = b.grads;
    T* __restrict u = b.update;
    for (int64_t i = 0; i < b.size; ++i) {
      const T fresh = g[i], root = math::root_of_sum(beta2, r[i], fresh2, fresh);
      const T momentum = beta1 * m[i] + fresh1 * fresh, divisor = root * correction2 + eps;
      u[i] = divisor == 0 ? T(0) : momentum * correction1 / divisor;
      m[i] = momentum, r[i] = root;
    }
  });
}
ORTHOKIT_KERNEL(Adamw, adamw);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
