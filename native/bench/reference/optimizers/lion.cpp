#include "ops/optimizers/lion.h"

#include "bench/reference/operands.h"
#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void lion(const Lion& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Vector g = decayed_gradient(step, t);
    // The moves' own, and the kernel's.
    const double rounding =
        2 * kElementwise *
        unit_of(step.weights[t].dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32);
    Vector u(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      double& m = values(op.momenta[t])[i];
      const double direction = signed_sum(op.beta1 * m, (1 - op.beta1) * g[i], rounding);
      u[i] = direction > 0 ? 1 : direction < 0 ? -1 : direction;
      m = op.beta2 * m + (1 - op.beta2) * g[i];
    }
    note(step, t, apply(step, t, u, step.lr));
  }
}
ORTHOKIT_REFERENCE(Lion, lion, kElementwise);

}  // namespace orthokit::bench
