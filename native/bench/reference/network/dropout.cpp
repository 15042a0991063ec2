#include "ops/network/dropout.h"

#include "bench/reference/reference.h"
#include "math/philox.h"

namespace orthokit::bench {

static void dropout(const Dropout& op) {
  for (int64_t e = 0; e < op.x.size(); ++e) {
    const uint64_t g = uint64_t(op.offset + e);
    const auto block = math::philox(uint64_t(op.seed), uint64_t(op.stream), g / 4);
    const double u = double(math::unit_float<24>(block.words[g % 4]));
    const double old = op.beta == 0 ? 0 : op.beta * values(op.out)[e];
    values(op.out)[e] = (u >= op.rate ? values(op.x)[e] / (1 - op.rate) : 0) + old;
  }
}
ORTHOKIT_REFERENCE(Dropout, dropout, 3);

}  // namespace orthokit::bench
