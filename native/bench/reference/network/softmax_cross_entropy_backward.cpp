#include "ops/network/softmax_cross_entropy_backward.h"

#include "bench/reference/shared/softmax.h"

namespace orthokit::bench {

static void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op) {
  const int64_t rows = row_count(op.logits), columns = row_length(op.logits);
  const double factor = op.scale / counted_rows(op.labels);
  for (int64_t i = 0; i < rows; ++i) {
    const auto label = int64_t(values(op.labels)[i]);
    const auto p = softmax(values(op.logits) + i * columns, columns);
    double* grad = values(op.grad) + i * columns;
    for (int64_t j = 0; j < columns; ++j)
      grad[j] = label < 0 ? 0 : label >= columns ? NAN : factor * (p[size_t(j)] - (j == label));
  }
}
ORTHOKIT_REFERENCE(SoftmaxCrossEntropyBackward, softmax_cross_entropy_backward,
                   op.logits.dtype == Dtype::kF64 ? 64 : 8);

// At the label the probability and 1 cancel, in f64.
static double terms_of(const SoftmaxCrossEntropyBackward& op, std::string_view, int64_t j) {
  const int64_t columns = row_length(op.logits);
  if (values(op.labels)[j / columns] != double(j % columns)) return 0;
  const double one = std::abs(op.scale) / counted_rows(op.labels);
  return op.logits.dtype == Dtype::kF64 ? one : one * 0x1p-29;
}
ORTHOKIT_TERMS(SoftmaxCrossEntropyBackward, terms_of);

}  // namespace orthokit::bench
