#include "ops/optimizers/adagrad.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void adagrad(const Adagrad& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const double count = ++*values(op.steps[t]);
    const Vector g = decayed_gradient(step, t);
    Vector u(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      double& r = values(op.roots[t])[i];
      r = root_of_squares(r, g[i]);
      u[i] = r + op.eps == 0 ? 0 : g[i] / (r + op.eps);
    }
    note(step, t, apply(step, t, u, step.lr / (1 + (count - 1) * op.lr_decay)));
  }
}
ORTHOKIT_REFERENCE(Adagrad, adagrad, kElementwise);

}  // namespace orthokit::bench
