#include "ops/elementwise/multiply.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void multiply(const Multiply& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.out[t].size(); ++i)
      values(op.out[t])[i] = values(op.x[t])[i] * values(op.y[t])[i];
}
ORTHOKIT_REFERENCE(Multiply, multiply, 2);

}  // namespace orthokit::bench
