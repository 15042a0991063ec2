#include "ops/optimizers/dion2.h"

#include "bench/reference/optimizers/shared/sliced.h"

namespace orthokit::bench {

static void dion2(const Dion2& op) {
  const Step& step = op.base.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    add_gradient(op.base, t);
    const double scale = scale_of(op.base.shape_scale, double(s.rows), double(s.columns));
    double update = 0;
    for (int64_t b = 0; b < s.batch; ++b) {
      const int64_t at = b * s.rows * s.columns;
      std::vector<int64_t> chosen;
      const Vector u =
          slice_direction(op.base, values(op.base.momenta[t]) + at, s, s.rows <= s.columns, chosen);
      update += apply(step, t, u, step.lr * scale, size_t(at));
    }
    note(step, t, update);
  }
}
ORTHOKIT_REFERENCE(Dion2, dion2,
                   2 * newton_schulz_growth(op.base.orthogonalization,
                                            longest_side(op.base.step.weights)));

}  // namespace orthokit::bench
