#include "ops/optimizers/muon.h"

#include "core/composer.h"
#include "ops/optimizers/apply_update.h"

namespace orthokit {

void muon(const Muon& op, Composer& c) {
  for (const Group& group : groups_of(op.base)) {
    const Composer::Scope scope(c);
    OrthogonalUpdates updates(op.base, group, c);
    const Matrices m = matrices(op.base.step.weights[group[0]]);
    std::vector<double> scales(group.size(), shape_scale(op.shape_scale, m));
    c.run(ApplyUpdate{.step = updates.step(), .scales = {scales.data(), updates.count()}});
  }
}
ORTHOKIT_COMPOSITION(Muon, muon);

}  // namespace orthokit
