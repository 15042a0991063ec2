#include "ops/reductions/row_reduce.h"

#include "bench/reference/reductions/shared/reduction.h"

namespace orthokit::bench {

static void row_reduce(const RowReduce& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i)
    values(op.out)[i] = reduced(op.reduction, values(op.x) + i * columns, columns, 1);
}
ORTHOKIT_REFERENCE(RowReduce, row_reduce, reduction_growth(op.reduction, op.x, op.out));

}  // namespace orthokit::bench
