#include "ops/optimizers/check_finite.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void check_finite(const CheckFinite& op) {
  double bad = 0;
  for (auto& x : op.x) {
    bool finite = true;
    for (int64_t i = 0; i < x.size(); ++i) finite = finite && std::isfinite(values(x)[i]);
    bad += !finite;
  }
  *values(op.guard) = bad;
  if (op.skipped && bad > 0) *values(op.skipped) += 1;
}
ORTHOKIT_REFERENCE(CheckFinite, check_finite, kExact);

}  // namespace orthokit::bench
