#include "ops/muon.h"

#include "core/device.h"
#include "ops/apply_update.h"

namespace orthokit {

void muon(const Muon& op, Device& d) {
  const Step& all = op.base.step;
  for (int64_t i = 0; i < all.weights.count; ++i) {
    const Device::Scope scope(d);
    OrthogonalUpdate update = orthogonal_update(op.base, i, d);
    Step step = without_l2(all.only(i));
    step.grads = {&update.value, 1};
    d.run(ApplyUpdate{.step = step,
                      .scales = {shape_scale(op.shape_scale, matrices(all.weights[i]))}});
    restore_gradient_sum(step, update, d);
  }
}
ORTHOKIT_COMPOSITION(Muon, muon);

}  // namespace orthokit
