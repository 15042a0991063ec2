#include "ops/optimizers/nor_dion2.h"

#include "bench/reference/optimizers/shared/normalized.h"
#include "bench/reference/optimizers/shared/sliced.h"

namespace orthokit::bench {

static void nor_dion2(const NorDion2& op) {
  const Step& step = op.base.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    add_gradient(op.base, t);
    Vector all, places(size_t(s.batch * s.rows), -1.0);
    for (int64_t b = 0; b < s.batch; ++b) {
      std::vector<int64_t> chosen;
      const Vector u = slice_direction(op.base, values(op.base.momenta[t]) + b * s.rows * s.columns,
                                       s, true, chosen);
      all.insert(all.end(), u.begin(), u.end());
      for (const int64_t row : chosen) places[size_t(b * s.rows + row)] = 1;
    }
    normalized_step(
        step, t, all, {}, op.second_moments[t], places.data(),
        {op.beta2, op.row_eps, scale_of(op.base.shape_scale, double(s.rows), double(s.columns)),
         NorMuonVariant::kDion, MomentAxis::kRow});
  }
}
ORTHOKIT_REFERENCE(NorDion2, nor_dion2,
                   2 * newton_schulz_growth(op.base.orthogonalization,
                                            longest_side(op.base.step.weights)));

}  // namespace orthokit::bench
