#include "ops/scale_each.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void scale_each(const ScaleEach& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.x[t].size(); ++i)
      values(op.out[t])[i] = values(op.factors)[t] * values(op.x[t])[i];
}
ORTHOKIT_REFERENCE(ScaleEach, scale_each, 2);

}  // namespace orthokit::bench
