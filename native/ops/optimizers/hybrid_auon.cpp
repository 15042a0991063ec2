#include "ops/optimizers/hybrid_auon.h"

#include "core/device.h"

namespace orthokit {

void hybrid_auon(const HybridAuon& op, Device& d) {
  const OrthogonalStep& base = op.base;
  for (const Group& group : groups_of(base)) {
    const Device::Scope scope(d);
    const int64_t first = group[0];
    if (base.step.weights[first].rank < 2) {
      d.run(Auon{.step = base.step.only(first),
                 .momenta = {&base.momenta[first], 1},
                 .momentum = base.momentum,
                 .gamma = op.gamma,
                 .eps = base.eps,
                 .nesterov = base.nesterov,
                 .variant = op.variant});
      continue;
    }
    OrthogonalUpdates updates(base, group, d);
    d.run(Auon{.step = updates.step(),
               .momentum = 0,
               .gamma = op.gamma,
               .eps = base.eps,
               .variant = op.variant});
    updates.finish();
  }
}
ORTHOKIT_COMPOSITION(HybridAuon, hybrid_auon);

}  // namespace orthokit
