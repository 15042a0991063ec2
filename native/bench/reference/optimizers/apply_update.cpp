#include "ops/optimizers/apply_update.h"

#include "bench/reference/optimizers/shared/step.h"

namespace orthokit::bench {

static void apply_update(const ApplyUpdate& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Vector u(values(step.grads[t]), values(step.grads[t]) + step.grads[t].size());
    note(step, t, apply(step, t, u, step.lr * (op.scales.count > 0 ? op.scales[t] : 1)));
  }
}
ORTHOKIT_REFERENCE(ApplyUpdate, apply_update, kElementwise);

}  // namespace orthokit::bench
