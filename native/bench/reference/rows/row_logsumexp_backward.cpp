#include "ops/rows/row_logsumexp_backward.h"

#include "bench/reference/shared/softmax.h"

namespace orthokit::bench {

static void row_logsumexp_backward(const RowLogsumexpBackward& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.x) + i * columns;
    const double largest = largest_of(x, columns);
    const auto p = softmax(x, columns);
    for (int64_t j = 0; j < columns; ++j) {
      const bool is_zero =
          op.x.dtype != Dtype::kF64 && std::isfinite(largest) && x[j] - largest < -120;
      values(op.out)[i * columns + j] = values(op.grad)[i] * (is_zero ? 0 : p[size_t(j)]);
    }
  }
}
ORTHOKIT_REFERENCE(RowLogsumexpBackward, row_logsumexp_backward,
                   op.x.dtype == Dtype::kF64 ? 64 : 4);

}  // namespace orthokit::bench
