#include "ops/network/pool2d.h"

#include "bench/reference/network/shared/windows.h"

namespace orthokit::bench {

static void pool2d(const Pool2d& op) {
  const double area = double(op.size * op.size);
  std::vector<double> best(size_t(op.out.size()), 0.0);
  for_windows(op.x, op.out, op.windows(), [&](int64_t to, int64_t from, int64_t number) {
    const double value = values(op.x)[from];
    double& own = best[size_t(to)];
    if (op.kind == PoolKind::kAverage) {
      values(op.out)[to] = (number == 0 ? 0 : values(op.out)[to]) + value / area;
    } else if (number == 0 || value > own || std::isnan(value)) {
      own = value;
      values(op.out)[to] = op.follows ? values(op.follows)[from] : value;
      if (op.places) values(op.places)[to] = double(number);
    }
  });
}
ORTHOKIT_REFERENCE(Pool2d, pool2d,
                   op.kind == PoolKind::kMax ? kExact : double(op.size * op.size) + 1);

}  // namespace orthokit::bench
