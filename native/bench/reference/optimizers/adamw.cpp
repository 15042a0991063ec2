#include "ops/optimizers/adamw.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void adamw(const Adamw& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const double count = ++*values(op.steps[t]);
    const double correction1 = 1 - std::pow(op.beta1, count),
                 correction2 = 1 - std::pow(op.beta2, count);
    const Vector g = decayed_gradient(step, t);
    Vector u(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      double &m = values(op.momenta[t])[i], &r = values(op.roots[t])[i];
      m = op.beta1 * m + (1 - op.beta1) * g[i];
      r = root_of_squares(std::sqrt(op.beta2) * r, std::sqrt(1 - op.beta2) * g[i]);
      u[i] = m / correction1 / (r / std::sqrt(correction2) + op.eps);
    }
    note(step, t, apply(step, t, u, step.lr));
  }
}
ORTHOKIT_REFERENCE(Adamw, adamw, kElementwise);

}  // namespace orthokit::bench
