#include "ops/rows/row_softmax_backward.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void row_softmax_backward(const RowSoftmaxBackward& op) {
  const int64_t rows = row_count(op.y), columns = row_length(op.y);
  for (int64_t i = 0; i < rows; ++i) {
    const double *grad = values(op.grad) + i * columns, *y = values(op.y) + i * columns;
    double dot = 0;
    for (int64_t j = 0; j < columns; ++j) dot += grad[j] * y[j];
    for (int64_t j = 0; j < columns; ++j) {
      double& out = values(op.out)[i * columns + j];
      out = y[j] * (grad[j] - dot) + (op.beta == 0 ? 0 : out);
    }
  }
}
ORTHOKIT_REFERENCE(RowSoftmaxBackward, row_softmax_backward, growth_of_rows(op.y, 4));

}  // namespace orthokit::bench
