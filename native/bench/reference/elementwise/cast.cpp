#include "ops/elementwise/cast.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static double cast_to(Dtype dtype, double x) {
  if (dtype != Dtype::kI32 && dtype != Dtype::kU8) return x;
  if (x != x) return 0;
  const double low = dtype == Dtype::kU8 ? 0 : -2147483648.0,
               high = dtype == Dtype::kU8 ? 255 : 2147483647.0;
  return std::min(std::max(std::trunc(x), low), high);
}

static void cast(const Cast& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.x[t].size(); ++i)
      values(op.out[t])[i] = cast_to(op.out[t].dtype, values(op.x[t])[i]);
}
ORTHOKIT_REFERENCE(Cast, cast, kExact);

}  // namespace orthokit::bench
