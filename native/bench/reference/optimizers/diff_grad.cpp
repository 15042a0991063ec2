#include "ops/optimizers/diff_grad.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void diff_grad(const DiffGrad& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const double count = ++*values(op.steps[t]);
    const double rate = std::sqrt(1 - std::pow(op.beta2, count)) / (1 - std::pow(op.beta1, count));
    const Vector g = decayed_gradient(step, t);
    Vector u(g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      double &m = values(op.momenta[t])[i], &r = values(op.roots[t])[i];
      m = op.beta1 * m + (1 - op.beta1) * g[i];
      r = root_of_squares(std::sqrt(op.beta2) * r, std::sqrt(1 - op.beta2) * g[i]);
      double friction = 0.5;
      if (op.previous.count > 0) {
        double& p = values(op.previous[t])[i];
        friction = 1 / (1 + std::exp(-std::abs(p - g[i])));
        p = g[i];
      }
      u[i] = r + op.eps == 0 ? 0 : rate * friction * m / (r + op.eps);
    }
    note(step, t, apply(step, t, u, step.lr));
  }
}
ORTHOKIT_REFERENCE(DiffGrad, diff_grad, kElementwise);

}  // namespace orthokit::bench
