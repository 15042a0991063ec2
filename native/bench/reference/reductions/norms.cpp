#include "ops/reductions/norms.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void norms(const Norms& op) {
  for (int64_t t = 0; t < op.x.count; ++t) {
    const double norm = norm_of(op.x[t]);
    const double inverse = norm == 0 ? 0 : 1 / (op.scale * norm + op.eps);
    const double most = op.x[t].dtype == Dtype::kF64 ? HUGE_VAL : 0x1.fffffep127;
    values(op.out)[t] = op.result == NormResult::kInverse ? std::min(inverse, most) : norm;
  }
}
// Squares and sums are f64 even where x is f32.
ORTHOKIT_REFERENCE(Norms, norms, op.x.count > 0 && op.x[0].dtype == Dtype::kF64 ? 16 : 1e-7);

}  // namespace orthokit::bench
