#include "ops/row_logsumexp.h"

#include "bench/reference/softmax.h"

namespace orthokit::bench {

static void row_logsumexp(const RowLogsumexp& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  for (int64_t i = 0; i < rows; ++i)
    values(op.out)[i] = log_of_sum(values(op.x) + i * columns, columns);
}
ORTHOKIT_REFERENCE(RowLogsumexp, row_logsumexp, op.x.dtype == Dtype::kF64 ? 64 : 1);

}  // namespace orthokit::bench
