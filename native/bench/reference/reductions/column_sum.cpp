#include "ops/reductions/column_sum.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void column_sum(const ColumnSum& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  for (int64_t j = 0; j < columns; ++j) {
    double sum = op.beta == 0 ? 0 : op.beta * values(op.out)[j];
    for (int64_t i = 0; i < rows; ++i) sum += values(op.x)[i * columns + j];
    values(op.out)[j] = sum;
  }
}
// Sums are f64 even where x is f32.
ORTHOKIT_REFERENCE(ColumnSum, column_sum, op.x.dtype == Dtype::kF64 ? 64 : 1);

}  // namespace orthokit::bench
