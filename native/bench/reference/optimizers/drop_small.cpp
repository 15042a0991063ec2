#include "ops/optimizers/drop_small.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void drop_small(const DropSmall& op) {
  const int64_t rows = op.x.shape[1], columns = op.x.shape[2];
  for (int64_t i = 0; i < op.x.size(); ++i) {
    const double norm = values(op.norms)[i / (rows * columns) * columns + i % columns],
                 x = values(op.x)[i], least = op.least * norm,
                 floor = op.x.dtype == Dtype::kF64 ? least : double(float(least));
    const bool is_small = std::isfinite(norm) && std::abs(x) <= floor;
    values(op.out)[i] = is_small ? 0 : x;
  }
}
ORTHOKIT_REFERENCE(DropSmall, drop_small, kExact);

}  // namespace orthokit::bench
