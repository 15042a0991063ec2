#include "ops/elementwise/copy.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void copy(const Copy& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.x[t].size(); ++i) values(op.out[t])[i] = values(op.x[t])[i];
}
ORTHOKIT_REFERENCE(Copy, copy, kExact);

}  // namespace orthokit::bench
