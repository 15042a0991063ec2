#include "ops/optimizers/normalized_update.h"

#include "bench/reference/optimizers/shared/normalized.h"

namespace orthokit::bench {

static void normalized_update(const NormalizedUpdate& op) {
  const Step& step = op.step;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Vector u(values(step.grads[t]), values(step.grads[t]) + step.grads[t].size());
    const double scale = op.scales.count > 0 ? op.scales[t] : 1;
    normalized_step(step, t, u, op.squares[t], op.second_moments[t],
                    op.places.count > 0 ? values(op.places[t]) : nullptr,
                    {op.beta2, op.eps, scale, op.variant, op.axis});
  }
}
ORTHOKIT_REFERENCE(NormalizedUpdate, normalized_update, kElementwise);

// An infinity in a row of which `squares` is finite: they are not those of the update.
static double term_of(const NormalizedUpdate& op, std::string_view) {
  for (const View& grad : op.step.grads)
    for (int64_t i = 0; i < grad.size(); ++i)
      if (!std::isfinite(values(grad)[i])) return kUnsteady;
  return 0;
}
ORTHOKIT_SOME_TERMS(NormalizedUpdate, term_of);

}  // namespace orthokit::bench
