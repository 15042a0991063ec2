#include "ops/optimizers/trion.h"

#include "bench/reference/optimizers/shared/cosine_subspace.h"
#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

static void trion(const Trion& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    const size_t size = size_t(s.rows * s.columns);
    // As they are stored before the part inside is taken from them.
    const Vector sums = advance({.momentum = 1, .form = MomentumForm::kHeavyBall}, op.momenta[t],
                                decayed_gradient(step, t));
    Vector u;
    for (size_t b = 0; b < (size > 0 ? size_t(s.batch) : 0); ++b) {
      const Vector x(sums.begin() + long(b * size), sums.begin() + long((b + 1) * size));
      const CosineBasis basis(step.weights[t], op.basis);
      const Vector all = basis.coordinates(x);
      const auto indices = basis.largest(all, size_t(op.rank));
      const Vector rows = basis.rows(all, indices), inside = basis.matrix(rows, indices);
      for (size_t i = 0; i < size; ++i)
        values(op.momenta[t])[b * size + i] = x[i] - (1 - op.momentum) * inside[i];
      const Vector one = basis.matrix(
          newton_schulz(rows, {1, int64_t(indices.size()), int64_t(basis.longer())},
                        steps_of_reference(op.orthogonalization, step.weights[t].dtype)),
          indices);
      u.insert(u.end(), one.begin(), one.end());
    }
    note(step, t,
         apply(step, t, u, step.lr * scale_of(op.shape_scale, double(s.rows), double(s.columns))));
  }
}
ORTHOKIT_REFERENCE(Trion, trion,
                   newton_schulz_growth(op.orthogonalization, longest_side(op.step.weights)));

// Sums of a transform by factors meet infinities of both signs where the definition meets one.
static double terms_of(const Trion& op, std::string_view) {
  for (const View& v : op.momenta)
    for (int64_t i = 0; i < v.size(); ++i)
      if (!std::isfinite(values(v)[i])) return kUnsteady;
  return 0;
}
ORTHOKIT_SOME_TERMS(Trion, terms_of);

}  // namespace orthokit::bench
