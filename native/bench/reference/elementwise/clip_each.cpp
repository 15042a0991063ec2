#include "ops/elementwise/clip_each.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void clip_each(const ClipEach& op) {
  for (int64_t t = 0; t < op.out.count; ++t) {
    const double limit = values(op.limits)[op.limits.size() == 1 ? 0 : t];
    for (int64_t i = 0; i < op.x[t].size(); ++i) {
      const double x = values(op.x[t])[i];
      values(op.out[t])[i] = std::abs(x) > limit ? std::copysign(limit, x) : x;
    }
  }
}
ORTHOKIT_REFERENCE(ClipEach, clip_each, 1);

}  // namespace orthokit::bench
