#include "ops/optimizers/dion2.h"

#include "core/composer.h"
#include "ops/optimizers/apply_update.h"

namespace orthokit {

void dion2(const Dion2& op, Composer& c) {
  for (const Group& group : groups_of(op.base.step.weights)) {
    const Composer::Scope scope(c);
    const Matrices m = matrices(op.base.step.weights[group[0]]);
    SlicedUpdates updates(op.base, op.axis_of(m), group, c);
    std::vector<double> scales(group.size(), shape_scale(op.base.shape_scale, m));
    c.run(ApplyUpdate{.step = updates.step(), .scales = {scales.data(), updates.count()}});
  }
}
ORTHOKIT_COMPOSITION(Dion2, dion2);

}  // namespace orthokit
