#include "ops/elementwise/scale_each.h"

#include <algorithm>
#include <limits>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void scale_each(const ScaleEach& op) {
  for (int64_t t = 0; t < op.out.count; ++t) {
    const bool is_double = op.x[t].dtype == Dtype::kF64 || op.out[t].dtype == Dtype::kF64;
    const double most =
        is_double ? std::numeric_limits<double>::max() : double(std::numeric_limits<float>::max());
    const double factor = std::clamp(values(op.factors)[t], -most, most);
    for (int64_t i = 0; i < op.x[t].size(); ++i) values(op.out[t])[i] = factor * values(op.x[t])[i];
  }
}
ORTHOKIT_REFERENCE(ScaleEach, scale_each, 2);

}  // namespace orthokit::bench
