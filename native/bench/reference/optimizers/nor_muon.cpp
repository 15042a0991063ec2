#include "ops/optimizers/nor_muon.h"

#include "bench/reference/optimizers/shared/normalized.h"
#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

static void nor_muon(const NorMuon& op) {
  const Step& step = op.base.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    const Vector u = orthogonal_direction(op.base, t);
    normalized_step(
        step, t, u, {}, op.second_moments[t], nullptr,
        {op.beta2, op.row_eps, scale_of(op.shape_scale, double(s.rows), double(s.columns)),
         op.variant, op.axis});
  }
}
ORTHOKIT_REFERENCE(NorMuon, nor_muon,
                   2 * newton_schulz_growth(op.base.orthogonalization,
                                            longest_side(op.base.step.weights)));

}  // namespace orthokit::bench
