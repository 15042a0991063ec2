#include "ops/optimizers/muon.h"

#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

static void muon(const Muon& op) {
  const Step& step = op.base.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    const Vector u = orthogonal_direction(op.base, t);
    note(step, t,
         apply(step, t, u, step.lr * scale_of(op.shape_scale, double(s.rows), double(s.columns))));
  }
}
ORTHOKIT_REFERENCE(Muon, muon,
                   newton_schulz_growth(op.base.orthogonalization,
                                        longest_side(op.base.step.weights)));

}  // namespace orthokit::bench
