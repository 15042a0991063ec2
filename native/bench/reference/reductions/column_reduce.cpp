#include "ops/reductions/column_reduce.h"

#include "bench/reference/reductions/shared/reduction.h"

namespace orthokit::bench {

static void column_reduce(const ColumnReduce& op) {
  const int64_t rows = op.rows(), columns = row_length(op.x);
  for (int64_t b = 0; b < op.batch(); ++b)
    for (int64_t j = 0; j < columns; ++j)
      values(op.out)[b * columns + j] =
          reduced(op.reduction, values(op.x) + b * rows * columns + j, rows, columns);
}
ORTHOKIT_REFERENCE(ColumnReduce, column_reduce, reduction_growth(op.reduction, op.x, op.out));

}  // namespace orthokit::bench
