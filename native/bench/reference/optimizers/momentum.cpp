#include "ops/optimizers/momentum.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void momentum(const Momentum& op) {
  for (int64_t t = 0; t < op.out.count; ++t) {
    double* out = values(op.out[t]);
    if (op.squares && !is_held(op.guard)) values(op.squares)[t] = sum_of_squares(op.grads[t]);
    if (is_held(op.guard)) {
      for (int64_t i = 0; i < op.out[t].size(); ++i) out[i] = 0;
      continue;
    }
    Vector g(values(op.grads[t]), values(op.grads[t]) + op.grads[t].size());
    const Step decayed{.weights = op.weights, .masters = op.masters};
    for (size_t i = 0; op.l2 != 0 && i < g.size(); ++i) g[i] += op.l2 * weights_of(decayed, t)[i];
    const MomentumRule rule{op.momentum, op.dampening, op.nesterov == Nesterov::kOn, op.form};
    const Vector u = advance(rule, op.momenta[t], g);
    for (size_t i = 0; i < u.size(); ++i) out[i] = u[i];
  }
}
ORTHOKIT_REFERENCE(Momentum, momentum, kElementwise);

}  // namespace orthokit::bench
