#include "ops/elementwise/divide.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void divide(const Divide& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.out[t].size(); ++i)
      values(op.out[t])[i] = values(op.x[t])[i] / values(op.y[t])[i];
}
ORTHOKIT_REFERENCE(Divide, divide, 2);

}  // namespace orthokit::bench
