#include "ops/optimizers/lion.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void lion(const Lion& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Vector g = decayed_gradient(step, t);
    Vector u(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      double& m = values(op.momenta[t])[i];
      const double direction = op.beta1 * m + (1 - op.beta1) * g[i];
      u[i] = direction > 0 ? 1 : direction < 0 ? -1 : direction;
      m = op.beta2 * m + (1 - op.beta2) * g[i];
    }
    note(step, t, apply(step, t, u, step.lr));
  }
}
ORTHOKIT_REFERENCE(Lion, lion, kElementwise);

}  // namespace orthokit::bench
