#include "ops/reductions/column_reduce.h"

#include "bench/reference/reductions/shared/reduction.h"

namespace orthokit::bench {

static void column_reduce(const ColumnReduce& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  for (int64_t j = 0; j < columns; ++j)
    values(op.out)[j] = reduced(op.reduction, values(op.x) + j, rows, columns);
}
ORTHOKIT_REFERENCE(ColumnReduce, column_reduce, reduction_growth(op.reduction, op.x, op.out));

}  // namespace orthokit::bench
