#include "ops/reductions/segment_reduce.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void segment_reduce(const SegmentReduce& op) {
  const int64_t width = op.out.shape[1];
  for (int64_t t = 0; t < op.x.count; ++t) {
    long double sums[6] = {};
    for (int64_t i = 0; i < op.x[t].size(); ++i) {
      const long double x = values(op.x[t])[i], y = op.y.count > 0 ? values(op.y[t])[i] : 0;
      sums[0] += x, sums[1] += std::abs(x),
          sums[2] = std::isnan(x) ? x : std::max(sums[2], std::abs(x));
      sums[3] += x * x, sums[4] += x * y, sums[5] += y * y;
    }
    for (int64_t k = 0; k < width; ++k) values(op.out)[t * width + k] = double(sums[k]);
  }
}
// Products and sums are f64 even where x is f32; terms of both signs cancel.
ORTHOKIT_REFERENCE(SegmentReduce, segment_reduce,
                   op.x.count > 0 && op.x[0].dtype == Dtype::kF64 ? 256 : 1e-6);

}  // namespace orthokit::bench
