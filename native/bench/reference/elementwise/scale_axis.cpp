#include "ops/elementwise/scale_axis.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void scale_axis(const ScaleAxis& op) {
  const int64_t n = op.scale.size(), inner = op.inner();
  for (int64_t i = 0; i < op.x.size(); ++i) {
    double& out = values(op.out)[i];
    out = values(op.x)[i] * values(op.scale)[i / inner % n] + (op.beta == 0 ? 0 : out);
  }
}
ORTHOKIT_REFERENCE(ScaleAxis, scale_axis, 2);

}  // namespace orthokit::bench
