#include "ops/optimizers/adagrad.h"

#include "cpu/kernels/optimizers/shared/state.h"
#include "cpu/kernels/optimizers/shared/step.h"
#include "math/roots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void adagrad(const Adagrad& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  double* rates = count_steps(op.steps, stream);
  for (int64_t t = 0; t < op.steps.count; ++t)
    rates[t] = math::decaying_rate(op.step.lr, op.lr_decay, rates[t]);
  run_plain_step(op.step, rates, stream, [&]<class T>(const Block<T>& b) {
    const T eps = T(op.eps);
    State<T> roots(op.roots[b.tensor], b.begin, b.size);
    T* __restrict r = roots.data(), * __restrict u = b.update;
    const T* __restrict g = b.grads;
    for (int64_t i = 0; i < b.size; ++i) {
      r[i] = math::root_of_sum(T(1), r[i], T(1), g[i]);
      u[i] = r[i] + eps == 0 ? T(0) : g[i] / (r[i] + eps);
    }
  });
}
ORTHOKIT_KERNEL(Adagrad, adagrad);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
