#include "ops/reductions/dots.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void dots(const Dots& op) {
  for (int64_t t = 0; t < op.x.count; ++t) {
    long double sum = 0;
    for (int64_t i = 0; i < op.x[t].size(); ++i)
      sum += static_cast<long double>(values(op.x[t])[i]) * values(op.y[t])[i];
    values(op.out)[t] = double(sum);
  }
}
// Products and sums are f64 even where x is f32; terms of both signs cancel.
ORTHOKIT_REFERENCE(Dots, dots, op.x.count > 0 && op.x[0].dtype == Dtype::kF64 ? 256 : 1e-6);

}  // namespace orthokit::bench
