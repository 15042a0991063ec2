#include "ops/products/newton_schulz.h"

#include "bench/reference/optimizers/shared/orthogonal.h"

namespace orthokit::bench {

static void run(const NewtonSchulz& op) {
  const Vector x(values(op.x), values(op.x) + op.x.size());
  const Vector out = newton_schulz(x, matrices(op.x), steps_of_reference(op, op.x.dtype));
  for (size_t i = 0; i < out.size(); ++i) values(op.out)[i] = out[i];
}
ORTHOKIT_REFERENCE(NewtonSchulz, run, newton_schulz_growth(op, long_side(op.x)));

}  // namespace orthokit::bench
