#include "ops/optimizers/hybrid_auon.h"

#include "bench/reference/optimizers/shared/orthogonal.h"
#include "bench/reference/optimizers/shared/scaled_step.h"

namespace orthokit::bench {

static void hybrid_auon(const HybridAuon& op) {
  const Step& step = op.base.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const bool is_vector = step.weights[t].rank < 2;  // steps as in auon
    const MomentumRule rule{op.base.momentum, 0, op.base.nesterov == Nesterov::kOn,
                            MomentumForm::kEma};
    const Vector u = is_vector ? advance(rule, op.base.momenta[t], decayed_gradient(step, t))
                               : orthogonal_direction(op.base, t);
    scaled_step(step, t, u, op.variant, op.gamma, op.base.orthogonalization.eps);
  }
}
ORTHOKIT_REFERENCE(HybridAuon, hybrid_auon,
                   2 * newton_schulz_growth(op.base.orthogonalization,
                                            longest_side(op.base.step.weights)));

}  // namespace orthokit::bench
