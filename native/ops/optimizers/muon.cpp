#include "ops/optimizers/muon.h"

#include "core/device.h"
#include "ops/optimizers/apply_update.h"

namespace orthokit {

void muon(const Muon& op, Device& d) {
  for (const Group& group : groups_of(op.base)) {
    const Device::Scope scope(d);
    OrthogonalUpdates updates(op.base, group, d);
    const Matrices m = matrices(op.base.step.weights[group[0]]);
    std::vector<double> scales(group.size(), shape_scale(op.shape_scale, m));
    d.run(ApplyUpdate{.step = updates.step(), .scales = {scales.data(), updates.count()}});
    updates.finish();
  }
}
ORTHOKIT_COMPOSITION(Muon, muon);

}  // namespace orthokit
