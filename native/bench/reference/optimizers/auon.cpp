#include "ops/optimizers/auon.h"

#include "bench/reference/optimizers/shared/scaled_step.h"
#include "math/held.h"

namespace orthokit::bench {

static void auon(const Auon& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    Vector u = decayed_gradient(step, t);
    const MomentumRule rule{op.momentum, 0, op.nesterov == Nesterov::kOn, MomentumForm::kEma};
    if (op.momenta.count > 0) {
      const bool is_narrow = op.momenta[t].dtype == Dtype::kF16;
      u = advance(rule, op.momenta[t], u, false, is_narrow ? math::kMostF16 : HUGE_VAL);
    }
    scaled_step(step, t, u, op.variant, op.gamma, op.eps);
  }
}
// The brake is r − 1, and r is right to rounding.
ORTHOKIT_REFERENCE(Auon, auon, 2 * kElementwise);

}  // namespace orthokit::bench
