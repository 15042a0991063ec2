#include "ops/elementwise/fill.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static double held_in(double x, double low, double high) {
  if (x != x) return 0;
  return std::min(std::max(std::trunc(x), low), high);
}

static void fill(const Fill& op) {
  for (auto& v : op.x)
    for (int64_t i = 0; i < v.size(); ++i)
      values(v)[i] = v.dtype == Dtype::kI32  ? held_in(op.value, -2147483648.0, 2147483647.0)
                     : v.dtype == Dtype::kU8 ? held_in(op.value, 0, 255)
                                             : op.value;
}
ORTHOKIT_REFERENCE(Fill, fill, kExact);

}  // namespace orthokit::bench
