#include "ops/optimizers/lion.h"

#include "cpu/kernels/optimizers/shared/state.h"
#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void lion(const Lion& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  run_plain_step(op.step, same_rates(op.step, stream), stream, [&]<class T>(const Block<T>& b) {
    const T beta1 = T(op.beta1), fresh1 = T(1 - op.beta1), beta2 = T(op.beta2),
            fresh2 = T(1 - op.beta2);
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size);
    T* __restrict m = momenta.data(), * __restrict u = b.update;
    const T* __restrict g = b.grads;
    for (int64_t i = 0; i < b.size; ++i) {
      const T gradient = g[i], momentum = m[i];
      u[i] = math::sign_of(beta1 * momentum + fresh1 * gradient);
      m[i] = beta2 * momentum + fresh2 * gradient;
    }
  });
}
ORTHOKIT_KERNEL(Lion, lion);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
