#include "ops/optimizers/sgd.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void sgd(const Sgd& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    Vector u = decayed_gradient(step, t);
    if (op.momenta.count > 0) {
      const bool first = ++*values(op.steps[t]) == 1;
      u = advance({op.momentum, op.dampening, op.nesterov == Nesterov::kOn, op.form}, op.momenta[t],
                  u, first);
    }
    note(step, t, apply(step, t, u, step.lr));
  }
}
ORTHOKIT_REFERENCE(Sgd, sgd, kElementwise);

}  // namespace orthokit::bench
