#include "ops/rows/row_logsumexp_backward.h"

#include "bench/reference/shared/softmax.h"

namespace orthokit::bench {

static void row_logsumexp_backward(const RowLogsumexpBackward& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  for (int64_t i = 0; i < rows; ++i) {
    const auto p = softmax(values(op.x) + i * columns, columns);
    for (int64_t j = 0; j < columns; ++j)
      values(op.out)[i * columns + j] = values(op.grad)[i] * p[size_t(j)];
  }
}
ORTHOKIT_REFERENCE(RowLogsumexpBackward, row_logsumexp_backward,
                   op.x.dtype == Dtype::kF64 ? 64 : 4);

}  // namespace orthokit::bench
