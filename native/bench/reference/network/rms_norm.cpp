#include "ops/network/rms_norm.h"

#include "bench/reference/network/shared/root_mean_square.h"

namespace orthokit::bench {

static void rms_norm(const RmsNorm& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i) {
    const double *x = values(op.x) + i * columns, root = root_mean_square(x, columns, op.eps);
    for (int64_t j = 0; j < columns; ++j)
      values(op.out)[i * columns + j] = x[j] / root * (op.weight ? values(op.weight)[j] : 1);
  }
}
ORTHOKIT_REFERENCE(RmsNorm, rms_norm, growth_of_rows(op.x, 3));

}  // namespace orthokit::bench
