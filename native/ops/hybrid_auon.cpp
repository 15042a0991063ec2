#include "ops/hybrid_auon.h"

#include "core/device.h"

namespace orthokit {

void hybrid_auon(const HybridAuon& op, Device& d) {
  const OrthogonalStep& base = op.base;
  for (int64_t i = 0; i < base.step.weights.count; ++i) {
    const Device::Scope scope(d);
    if (base.step.weights[i].rank < 2) {
      d.run(Auon{.step = base.step.only(i),
                 .momenta = {&base.momenta[i], 1},
                 .momentum = base.momentum,
                 .gamma = op.gamma,
                 .eps = base.eps,
                 .nesterov = base.nesterov,
                 .variant = op.variant});
      continue;
    }
    OrthogonalUpdate update = orthogonal_update(base, i, d);
    Step step = without_l2(base.step.only(i));
    step.grads = {&update.value, 1};
    d.run(Auon{
        .step = step, .momentum = 0, .gamma = op.gamma, .eps = base.eps, .variant = op.variant});
    restore_gradient_sum(step, update, d);
  }
}
ORTHOKIT_COMPOSITION(HybridAuon, hybrid_auon);

}  // namespace orthokit
