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
      // A NaN in the row makes all of it NaN, whatever an element is beside the largest.
      const double share = p[size_t(j)];
      const bool is_zero = op.x.dtype != Dtype::kF64 && std::isfinite(largest) &&
                           x[j] - largest < -120 && !std::isnan(share);
      values(op.out)[i * columns + j] = values(op.grad)[i] * (is_zero ? 0 : share);
    }
  }
}
ORTHOKIT_REFERENCE(RowLogsumexpBackward, row_logsumexp_backward, growth_of_rows(op.x, 4));

}  // namespace orthokit::bench
