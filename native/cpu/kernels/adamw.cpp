#include "ops/adamw.h"

#include "cpu/roots.h"
#include "cpu/state.h"
#include "cpu/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void adamw(const Adamw& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  const double* counts = count_steps(op.steps, stream);
  run_plain_step(op.step, same_rates(op.step, stream), stream, [&]<class T>(const Block<T>& b) {
    const double t = counts[b.tensor];
    const T correction1 = T(1 / (1 - std::pow(op.beta1, t))),
            correction2 = T(1 / std::sqrt(1 - std::pow(op.beta2, t)));
    const T beta1 = T(op.beta1), beta2 = T(op.beta2), fresh1 = T(1 - op.beta1),
            fresh2 = T(1 - op.beta2);
    const T eps = T(op.eps);
    State<T> momenta(op.momenta[b.tensor], b.begin, b.size),
        roots(op.roots[b.tensor], b.begin, b.size);
    T* __restrict m = momenta.data(), * __restrict r = roots.data();
    const T* __restrict g = b.grads;
    T* __restrict u = b.update;
    for (int64_t i = 0; i < b.size; ++i) {
      m[i] = beta1 * m[i] + fresh1 * g[i];
      r[i] = root_of_sum(beta2, r[i], fresh2, g[i]);
      const T divisor = r[i] * correction2 + eps;
      u[i] = divisor == 0 ? T(0) : m[i] * correction1 / divisor;
    }
  });
}
ORTHOKIT_KERNEL(Adamw, adamw);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
