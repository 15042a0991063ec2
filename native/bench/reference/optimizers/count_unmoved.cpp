#include "ops/optimizers/count_unmoved.h"

#include <cmath>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// Values in f64 stand for those of 16 bits, one for one: only ±0 and the NaNs have several.
static bool has_same_bits(double a, double b) {
  return (a == b && std::signbit(a) == std::signbit(b)) || (std::isnan(a) && std::isnan(b));
}

static void count_unmoved(const CountUnmoved& op) {
  const bool is_held = op.guard && *values(op.guard) != 0;
  for (int64_t t = 0; t < op.x.count; ++t) {
    double count = 0;
    for (int64_t i = 0; i < op.x[t].size(); ++i)
      count +=
          has_same_bits(values(op.x[t])[i], values(op.before[t])[i]) && values(op.grads[t])[i] != 0;
    values(op.out)[t] = is_held ? NAN : count;
  }
}
ORTHOKIT_REFERENCE(CountUnmoved, count_unmoved, kExact);

}  // namespace orthokit::bench
