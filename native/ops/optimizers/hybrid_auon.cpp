#include "ops/optimizers/hybrid_auon.h"

#include "core/composer.h"

namespace orthokit {

void hybrid_auon(const HybridAuon& op, Composer& c) {
  const OrthogonalStep& base = op.base;
  for (const Group& group : groups_of(base)) {
    const Composer::Scope scope(c);
    const int64_t first = group[0];
    if (base.step.weights[first].rank < 2) {
      c.run(Auon{.step = base.step.only(first),
                 .momenta = {&base.momenta[first], 1},
                 .momentum = base.momentum,
                 .gamma = op.gamma,
                 .eps = base.orthogonalization.eps,
                 .nesterov = base.nesterov,
                 .variant = op.variant});
      continue;
    }
    OrthogonalUpdates updates(base, group, c);
    c.run(Auon{.step = updates.step(),
               .momentum = 0,
               .gamma = op.gamma,
               .eps = base.orthogonalization.eps,
               .variant = op.variant});
  }
}
ORTHOKIT_COMPOSITION(HybridAuon, hybrid_auon);

}  // namespace orthokit
